"""Rows as users have them: the same in every way that they may be written, and one message where they are none."""

import csv
import io
import json
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.errors import UserError
from scale.data import row_files
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.data.row_shapes import SHAPES
from scale.data.user_rows import read_user_rows
from scale.data.user_sets import encoded, refuse_common
from scale.models.loading.scratch import train_tokenizer
from scale.tasks.rows import RowsSettings, corpus

TOKENIZER = train_tokenizer(['Where was Ada born? In Oldham, by the sea; she said "so".'], 300)
TOKENIZER.chat_template = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% if m.role == 'assistant' %}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)
WRITER = Writer(TOKENIZER, FORMATS["plain"], 4096)
HAS_PYARROW = find_spec("pyarrow") is not None
needs_pyarrow = pytest.mark.skipif(not HAS_PYARROW, reason="pyarrow is optional")

QA = {"question": "Where was Ada born?", "answer": "In Oldham."}
USER, ASSISTANT = {"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In Oldham."}
HUMAN, GPT = {"from": "human", "value": "Where?"}, {"from": "gpt", "value": "In Oldham."}


# --- ways of writing them -----------------------------------------------------------------------------------------


def json_lines(rows: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def table(rows: list[dict[str, Any]], separator: str) -> str:
    """As the library writes it; lists as JSON in a cell."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, sorted({key for row in rows for key in row}), delimiter=separator)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: x if isinstance(x, str) else json.dumps(x) for key, x in row.items()})
    return file.getvalue()


def ways(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {
        "a.jsonl": json_lines(rows),
        "a.json": json.dumps(rows, indent=1),
        "b.json": json.dumps(rows, ensure_ascii=False),
        "comma.csv": table(rows, ","),
        "semicolon.csv": table(rows, ";"),
        "tab.tsv": table(rows, "\t"),
        "named-so-by-mistake.jsonl": table(rows, ","),
        "mark.csv": "\ufeff" + table(rows, ","),
    }


words = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)
text = words.filter(lambda x: bool(x.strip()) and not x.startswith("["))
plain_rows = st.one_of(
    st.lists(st.fixed_dictionaries({"question": text, "answer": text}), min_size=1, max_size=3),
    st.lists(st.fixed_dictionaries({"prompt": text, "completion": text}), min_size=1, max_size=3),
    st.lists(st.fixed_dictionaries({"text": text, "id": text}), min_size=1, max_size=3),
    st.lists(
        st.builds(
            lambda asked, said: {"messages": [{**USER, "content": asked}, {**ASSISTANT, "content": said}]}, text, text
        ),
        min_size=1,
        max_size=3,
    ),
)


@settings(max_examples=40, deadline=None)
@given(rows=plain_rows)
def test_the_same_rows_are_the_same_ids_however_they_are_written(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    found = {}
    for name, content in ways(rows).items():
        (folder / name).write_bytes(content.encode())
        found[name] = encoded(read_user_rows(folder / name), WRITER)
    assert all(ids == found["a.jsonl"] for ids in found.values())
    assert len(found["a.jsonl"]) == len(rows)


@needs_pyarrow
@settings(max_examples=20, deadline=None)
@given(rows=plain_rows)
def test_so_are_those_of_parquet(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    import pyarrow
    from pyarrow import parquet

    folder = tmp_path_factory.getbasetemp()
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "a.parquet")
    (folder / "a.jsonl").write_text(json_lines(rows), encoding="utf8")
    ours, theirs = (encoded(read_user_rows(folder / name), WRITER) for name in ("a.parquet", "a.jsonl"))
    assert ours == theirs


def test_sharegpt_is_messages_by_other_names(tmp_path: Path) -> None:
    system = {"from": "system", "value": "Be brief."}
    rows = [
        {"conversations": [system, HUMAN, GPT, HUMAN, GPT], "id": 3},
        {"messages": [{"role": "system", "content": "Be brief."}, USER, ASSISTANT, USER, ASSISTANT]},
        {"conversations": [USER, ASSISTANT]},
        {"messages": [USER, ASSISTANT]},
    ]
    (tmp_path / "a").write_text(json_lines(rows))
    one, same, other, alike = encoded(read_user_rows(tmp_path / "a"), WRITER)
    assert one == same
    assert other == alike


def test_a_plain_text_is_one_document_and_json_lines_may_be_called_txt(tmp_path: Path) -> None:
    story = "Ada was born in Oldham, by the sea.\n\nShe wrote, and sang.\n"
    (tmp_path / "a.txt").write_text(story)
    (row,) = read_user_rows(tmp_path / "a.txt").rows
    assert row.words == ("", story)
    (tmp_path / "b.txt").write_text(json_lines([QA]))
    assert read_user_rows(tmp_path / "b.txt").rows[0].words == (QA["question"], QA["answer"])


def test_cells_hold_quotes_ends_of_lines_and_separators_and_blank_rows_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        'id,question,answer\n1,"Where, and ""when""?","In\nOldham; by | the\tsea"\n,,\n2,b,c\n'
    )
    file = read_user_rows(tmp_path / "a.csv")
    assert [row.words for row in file.rows] == [('Where, and "when"?', "In\nOldham; by | the\tsea"), ("b", "c")]
    assert file.lines == (2, 5)  # the lines on which they begin


def test_a_long_cell_is_read_and_the_library_s_limit_is_as_it_was(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "a.csv").write_text("text,id\n" + "x " * 200_000 + ",1\n")
    assert len(read_user_rows(tmp_path / "a.csv").rows[0].words[1]) == 400_000
    assert csv.field_size_limit() == limit


# --- other answers ------------------------------------------------------------------------------------------------

OTHERS = {
    "paraphrased_answer": "It was Oldham.",
    "perturbed_answer": ["In Kyoto.", "In Lima."],
    "alternates": ["In a town."],
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "comma.csv"])
def test_a_question_may_bring_other_answers(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(ways([{**QA, **OTHERS}])[name])
    (row,) = read_user_rows(tmp_path / name).rows
    assert row.asked.answers == ("In Oldham.", "It was Oldham.", "In Kyoto.", "In Lima.")
    assert row.asked.paraphrases == 1
    assert row.alternates == ("In a town.",)


def test_an_empty_cell_of_them_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer,paraphrased_answer,perturbed_answer\nq,a,,\n")
    (row,) = read_user_rows(tmp_path / "a.csv").rows
    assert row.asked.answers == ("a",)


WRONG_OTHERS = {
    "no text": ({"paraphrased_answer": 3}, "paraphrased_answer is empty or not text: 3"),
    "a list": ({"paraphrased_answer": ["a", "b"]}, "paraphrased_answer is empty or not text"),
    "an empty list": ({"perturbed_answer": []}, "perturbed_answer is not a list of texts, none empty"),
    "an empty one": ({"perturbed_answer": ["a", " "]}, "perturbed_answer is not a list of texts, none empty"),
    "no paraphrase": ({"perturbed_answer": ["a"]}, "perturbed_answer and no paraphrased_answer"),
}


@pytest.mark.parametrize("case", WRONG_OTHERS)
def test_other_answers_that_are_none_are_refused(case: str, tmp_path: Path) -> None:
    others, said = WRONG_OTHERS[case]
    (tmp_path / "a").write_text(json_lines([QA, {**QA, **others}]))
    with pytest.raises(UserError, match=rf"1 unusable line\(s\):\n  line 2: .*{said}"):
        read_user_rows(tmp_path / "a")


def test_each_row_brings_as_many_wrong_answers(tmp_path: Path) -> None:
    one = {**OTHERS, "perturbed_answer": ["In Kyoto."]}
    (tmp_path / "a").write_text(json_lines([{**QA, **OTHERS}, {**QA, **one}, QA, {"text": "A document."}]))
    with pytest.raises(
        UserError, match=r"2 unusable line\(s\):\n  line 2: it has 1 perturbed answers, and the first row 2"
    ):
        read_user_rows(tmp_path / "a")


# --- a kind of row by name ----------------------------------------------------------------------------------------


def test_the_kind_of_row_may_be_named_and_what_is_of_another_is_left_out(tmp_path: Path) -> None:
    both = {**QA, "text": "Question: Where was Ada born?"}
    (tmp_path / "a").write_text(json_lines([both]))
    with pytest.raises(
        UserError, match="keys of two kinds of rows, answer, question, text; keep those of one, or name"
    ):
        read_user_rows(tmp_path / "a")
    assert read_user_rows(tmp_path / "a", "question-answer").rows[0].words == (QA["question"], QA["answer"])
    assert read_user_rows(tmp_path / "a", "text").rows[0].words == ("", both["text"])
    with pytest.raises(UserError, match=r"needed are those of messages: messages"):
        read_user_rows(tmp_path / "a", "messages")
    with pytest.raises(UserError, match=r"there is no format of rows sharegtp: did you mean sharegpt\."):
        read_user_rows(tmp_path / "a", "sharegtp")
    assert set(SHAPES) == {"question-answer", "prompt-completion", "messages", "sharegpt", "text"}


def test_a_recipe_names_it_too_and_is_told_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(json_lines([{**QA, "text": "not this"}]))
    settings_of = partial(RowsSettings, forget=str(tmp_path / "a"))
    assert corpus(settings_of(format="question-answer")).forget[0].words == (QA["question"], QA["answer"])
    with pytest.raises(ValueError, match="there is no format of rows qa: choose one of question-answer, prompt-compl"):
        settings_of(format="qa")


# --- told as a whole ----------------------------------------------------------------------------------------------

CALL = {"from": "function_call", "value": "births(Ada)"}
WHOLES = {
    "Alpaca": ({"instruction": "Say where.", "input": "Ada", "output": "Oldham."}, "looks like Alpaca's rows"),
    "preferences": ({"prompt": "p", "chosen": "a", "rejected": "b"}, "looks like preference pairs"),
    "SQuAD": ({"context": "c", "question": "q", "answers": {"text": ["a"]}}, "looks like questions with passages"),
    "other names": ({"query": "q", "response": "a"}, "questions and answers under other names"),
    "half another name": ({"prompt": "q", "response": "a"}, "prompts and answers under other names"),
    "tools": (
        {"conversations": [HUMAN, CALL, GPT], "tools": "[]"},
        "looks like ShareGPT conversations with tool calls",
    ),
    "tool calls": ({"conversations": [HUMAN, CALL, GPT]}, "looks like ShareGPT conversations with tool calls"),
    "nothing known": (
        {"a": "1", "b": "2"},
        "each for one reason: it has the keys a, b; needed are question and answer",
    ),
}


@pytest.mark.parametrize("case", WHOLES)
def test_a_file_that_is_all_wrong_is_told_as_a_whole(case: str, tmp_path: Path) -> None:
    row, said = WHOLES[case]
    (tmp_path / "a").write_text(json_lines([row] * 500))
    with pytest.raises(UserError) as caught:
        read_user_rows(tmp_path / "a")
    assert said in str(caught.value)
    assert "none of its 500 rows" in str(caught.value)
    assert "line 1" not in str(caught.value)
    (tmp_path / "b").write_text(json_lines([QA, row, QA]))  # where others are rows, it is told by its line
    with pytest.raises(UserError, match=r"1 unusable line\(s\):\n  line 2: "):
        read_user_rows(tmp_path / "b")


FILES: dict[str, tuple[str, bytes, str]] = {
    "an array of arrays": (
        "a.json",
        b'[["q", "a"], ["q", "a"]]',
        "one JSON array of lists, ['q', 'a'] first: rows are obj",
    ),
    "an array of texts": ("a.json", b'["q", "a"]', "one JSON array of texts, 'q' first"),
    "an array that breaks off": (
        "a.json",
        b'[{"text": "a"}, ',
        "one JSON array, and not a whole one (Expecting value at",
    ),
    "an array with one that is none": (
        "a.json",
        b'[{"text": "a"}, 3]',
        "1 unusable row(s):\n  row 2: not a JSON object",
    ),
    "an empty array": ("a.json", b"[]", "has no rows"),
    "columns of other names": ("a.csv", b"q,a\n1,2\n3,4\n", "it has the keys a, q; needed are question and answer"),
    "a header alone": ("a.csv", b"question,answer\n", "has no rows"),
    "an empty cell": ("a.csv", b"question,answer\nq,a\nq,\n", "line 3: answer is empty or not text: ''"),
    "a row that is short": ("a.csv", b"question,answer\nq,a\nq\n", "line 3: it has the keys question"),
    "a row that is long": (
        "a.csv",
        b"question,answer\nq,a\nq,a,b\n",
        "line 3: it has 3 cells, and the header 2: put text",
    ),
    "a quote that is not closed": ("a.csv", b'question,answer\nq,a\nq,"a\n', "can't be read from its line 3 on"),
    "a quote inside": ("a.csv", b'question,answer\nq,"a" b\n', "can't be read from its line 2 on"),
    "a column twice": ("a.csv", b"question,answer,answer\nq,a,b\n", "more than one column answer"),
    "Latin-1": ("a.csv", "question,answer\nq,é\n".encode("latin-1"), "can't be read as UTF-8 text"),
    "UTF-16": ("a.csv", "question,answer\nq,a\n".encode("utf-16"), "is text in UTF-16"),
    "messages that are no JSON": ("a.csv", b"messages\n[{'role': 'user'}]\n", "messages is not a list of at least two"),
    "a text of no words": ("a.txt", b" \n\n", "has no rows"),
    "a text with a null": ("a.txt", b"a\0b", "its byte 2 is null"),
    "ShareGPT without roles": ("a", b'{"conversations": [{"value": "a"}, {"value": "b"}]}', "no from or no value"),
    "ShareGPT of others": (
        "a",
        b'{"conversations": [{"from": "bing", "value": "a"}, {"from": "gpt", "value": "b"}]}',
        "a message is from 'bing'; known are human",
    ),
    "ShareGPT, the user last": (
        "a",
        b'{"conversations": [{"from": "gpt", "value": "a"}, {"from": "human", "value": "b"}]}',
        "the last message must be the assistant's",
    ),
    "others of a prompt": (
        "a",
        b'{"prompt": "a", "completion": "b", "alternates": ["c"]}',
        "alternates go with question",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_what_a_file_is_not_is_said_in_one_message(case: str, tmp_path: Path) -> None:
    name, content, said = FILES[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_user_rows(tmp_path / name)
    assert said in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert len(str(caught.value)) < 900


def test_rows_of_an_array_and_lines_of_a_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "forget.json").write_text(json.dumps([{"text": "A."}, QA]))
    (tmp_path / "retain.csv").write_text("question,answer\nx,y\nWhere was Ada born?,In Oldham.\n")
    forget, retain = (read_user_rows(tmp_path / name) for name in ("forget.json", "retain.csv"))
    with pytest.raises(UserError, match=r"unusable line\(s\):\n  line 3: .* by row 2 of forget\.json"):
        refuse_common(forget, retain)


@given(content=st.binary(max_size=150) | st.text(max_size=150).map(lambda x: x.encode("utf8", "surrogatepass")))
@settings(deadline=None)
def test_any_bytes_under_any_name_are_rows_or_one_message(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("any.csv", "any.json", "any.txt", "any.parquet"):
        path = tmp_path_factory.getbasetemp() / name
        path.write_bytes(content)
        with suppress(UserError):
            assert read_user_rows(path).rows


# --- Parquet ------------------------------------------------------------------------------------------------------


def test_without_the_library_parquet_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1....PAR1")
    with pytest.raises(
        UserError, match="is a Parquet file, which the package pyarrow reads, and that is not installed"
    ):
        read_user_rows(tmp_path / "a.parquet")


def test_what_the_library_gives_is_taken_as_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1....PAR1")
    columns = [{"messages": [USER, ASSISTANT], "n": None}, {"messages": None, "n": 3}]
    monkeypatch.setattr(row_files, "_parquet", lambda path, advice: list(enumerate(columns, start=1)))
    with pytest.raises(UserError, match=r"1 unusable row\(s\):\n  row 2: messages is not a list"):
        read_user_rows(tmp_path / "a.parquet")


@needs_pyarrow
def test_parquet_holds_lists_and_is_told_where_it_is_damaged(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([{**QA, **OTHERS}]), tmp_path / "a.parquet")
    (row,) = read_user_rows(tmp_path / "a.parquet").rows
    assert row.alternates == ("In a town.",)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="is a Parquet file that can't be read"):
        read_user_rows(tmp_path / "b.parquet")
    parquet.write_table(pyarrow.table({"text": [["a", "b"]]}), tmp_path / "c.parquet")
    with pytest.raises(UserError, match=r"row 1: text is empty or not text: \['a', 'b'\]"):
        read_user_rows(tmp_path / "c.parquet")
