"""JSON of a user's: whatever the file holds, its rows or one message that says what it is."""

import gzip
import io
import json
import os
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.errors import UserError
from records.json_lines import parse_json, read_json, read_json_lines, unusable
from records.text_file import read_text
from scale.data.idk import read_idk
from scale.data.tofu import read_rows
from scale.data.user_rows import read_user_rows

ROW = '{"question": "Who?", "answer": "She."}'


def _zip() -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("rows.jsonl", ROW)
    return file.getvalue()


FORMATS = {
    "an array": (f"[{ROW}, {ROW}]", "one JSON array"),
    "an array over lines": (f"[\n {ROW},\n {ROW}\n]\n", "one JSON array"),
    "a damaged array": (f"[{ROW}, ", "one JSON array"),
    "an object over lines": (json.dumps(json.loads(ROW), indent=1), "one JSON object over several lines"),
    "objects over lines": ("\n".join([json.dumps(json.loads(ROW), indent=1)] * 2), "written over several lines"),
    "CSV": ("question,answer\nWho?,She.\n", "a table"),
    "CSV with quotes": ('"question";"answer"\n"Who, then?";"She."\n', "a table"),
    "TSV": ("question\tanswer\nWho?\tShe.\n", "a table"),
    "YAML": ("- question: Who?\n  answer: She.\n", "YAML"),
    "YAML with a start": ("---\nquestion: Who?\n", "YAML"),
    "HTML": ("<!DOCTYPE html>\n<html><body>404</body></html>", "HTML"),
    "XML": ("<?xml version='1.0'?><rows/>", "XML"),
    "LFS": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "a pointer of Git LFS"),
    "gzip": (gzip.compress(ROW.encode()), "a gzip archive"),
    "zip": (_zip(), "a zip archive"),
    "Parquet": (b"PAR1\x00\x01PAR1", "a Parquet file"),
    "UTF-16": (ROW.encode("utf-16"), "text in UTF-16"),
    "UTF-16 without a mark": (ROW.encode("utf-16-le"), "as in UTF-16"),
    "Latin-1": ('{"question": "é"}'.encode("latin1"), "can't be read as UTF-8 text"),
    "null bytes": (f"{ROW}\n\0\0".encode(), "is null"),
    "a pickle": (b"\x80\x04\x95", "a pickle"),
}


OWN = ("an array", "an array over lines", "CSV", "CSV with quotes", "TSV")
"""Which of them one's own rows may be written in."""


@pytest.mark.parametrize("kind", OWN)
def test_one_s_own_rows_may_be_written_so(kind, tmp_path):
    (tmp_path / "rows.jsonl").write_text(FORMATS[kind][0])
    assert {row.answer for row in read_user_rows(tmp_path / "rows.jsonl").rows} == {"She."}


@pytest.mark.parametrize(
    ("read", "kind"),
    [(read_user_rows, kind) for kind in FORMATS if kind not in OWN]
    + [(lambda path: read_rows(path, perturbed=False), kind) for kind in FORMATS],
)
def test_another_format_is_told_as_what_it_is(kind, read, tmp_path):
    content, said = FORMATS[kind]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        read(path)
    assert said in str(caught.value)
    assert "line 1" not in str(caught.value)


@pytest.mark.parametrize("read", [read_user_rows, lambda path: read_rows(path, perturbed=False), read_idk])
def test_what_is_no_file_is_refused_and_nothing_waits(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("")
    for path, said in {
        tmp_path: "is a folder",
        tmp_path / "pipe": "is a pipe",
        type(tmp_path)("/dev/zero"): "is a device",
        tmp_path / "loop": "can't be read",
        tmp_path / "file" / "below": "There is no file",
        tmp_path / ("x" * 300): "can't be read",
        tmp_path / "a\0b": "can't be read",
        tmp_path / "absent": "There is no file absent",
        tmp_path / "file": "has no",
    }.items():
        with pytest.raises(UserError, match=said):
            read(path)


def test_a_file_of_no_reasonable_size_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("records.text_file.LARGEST", 1000)
    (tmp_path / "a").write_text("x" * 1001)
    with pytest.raises(UserError, match="is larger than"):
        read_text(tmp_path / "a", "")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_marks_ends_of_lines_and_blank_ones_change_nothing(ends, mark, tmp_path):
    row = '{"question": "Who\u2028then?", "answer": "She\u0085."}'
    (tmp_path / "a").write_bytes(mark + ends.join([row, "", row]).encode())
    one, two = read_user_rows(tmp_path / "a").rows
    assert one == two
    assert one.shown == ("Who\u2028then?", "She\u0085.")


WRONG = {
    "[" * 100_000: "nested too deeply",
    '{"a":' * 100_000: "nested too deeply",
    '{"a": NaN}': "NaN is no JSON number",
    '{"a": -Infinity}': "-Infinity is no JSON number",
    '{"a": 1e999}': "too large",
    '{"a": 1, "b": 2, "a": 1}': "the key 'a' is there twice",
    '{"a": "\\ud800"}': "surrogate",
    '{"\\udfff": 1}': "surrogate",
    '{"a": ' + "9" * 5000 + "}": "digits",
    '{"a": "\t"}': "control character",
    "": "Expecting value",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_json_leaves_open_is_refused(text, tmp_path):
    with pytest.raises(ValueError, match=WRONG[text]) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 300
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json is not JSON \(.*\)\. Mend it\."):
        read_json(tmp_path / "a.json", "Mend it.")


def test_mistakes_are_told_together_and_long_values_in_short(tmp_path):
    lines = [ROW, '{"question": ' + "9" * 4000 + "}", json.dumps({"k" * 9999: 1}), json.dumps([1] * 9999), "{"]
    (tmp_path / "a").write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"4 unusable line\(s\)") as caught:
        read_user_rows(tmp_path / "a")
    assert len(str(caught.value)) < 2000
    assert "nothing" in str(unusable(tmp_path, [(1, "nothing")], ""))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_VALUES)
def test_whatever_json_can_say_is_read_as_it_was_written(value):
    try:
        expected = json.loads(json.dumps(value))
    except ValueError:  # an integer of more digits than Python reads
        return
    if "\\u" in json.dumps(value, ensure_ascii=False):
        return
    assert parse_json(json.dumps(value, ensure_ascii=False)) == expected


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf8", "surrogatepass")))
def test_any_bytes_are_rows_or_a_message(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    for read in (read_user_rows, read_idk, lambda p: read_json_lines(p, str, ""), lambda p: read_json(p, "")):
        with suppress(UserError):
            read(path)
