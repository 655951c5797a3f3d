"""Malformed rows: files that are no JSON lines, each form of a row with each of its faults, and TOFU's folders."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from malformed import Case, Content, changed, check, copied, fifo, params

# --- the whole file -------------------------------------------------------------------------------------------------

GOOD = '{"question": "Who?", "answer": "Me."}\n'
DEEP = "[" * 100_000
WHOLE: dict[str, tuple[Content, str]] = {
    "empty": ("", "rows"),
    "blank lines": ("\n \n\t\n", "rows"),
    "CSV": ("question,answer\nWho?,Me.\n", "CSV"),
    "TSV": ("question\tanswer\nWho?\tMe.\n", ""),
    "a JSON array": (json.dumps([{"question": "Who?", "answer": "Me."}]), "array"),
    "a JSON array on lines": (json.dumps([{"question": "Who?", "answer": "Me."}], indent=1), "array"),
    "one JSON object on lines": (json.dumps({"question": "Who?", "answer": "Me."}, indent=1), ""),
    "a Git LFS pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 120\n", "LFS"),
    "gzip": (gzip.compress(GOOD.encode()), ""),
    "Parquet": (b"PAR1\x15\x04\x15\x10\x00\xff\xfe", ""),
    "zip": (b"PK\x03\x04\x14\x00\x00\x00\x08\x00\xff", ""),
    "UTF-16": (GOOD.encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), ""),
    "UTF-32": (GOOD.encode("utf-32"), "UTF-"),
    "Latin-1": (GOOD.replace("Me", "Mé").encode("latin-1"), "UTF-8"),
    "binary": (bytes(range(256)), ""),
    "NUL bytes": (b"\0" * 100, ""),
    "a folder": (None, ""),
    "a pipe": (fifo, ""),
    "deep lists": (DEEP + "\n", "line 1"),
    "deep objects": ('{"a":' * 50_000 + "\n", "line 1"),
    "a deep value": ('{"question": "Who?", "answer": ' + "[" * 20_000 + "]" * 20_000 + "}\n", "line 1"),
    "HTML": ("<!DOCTYPE html><html>Not Found</html>\n", ""),
    "YAML": ("- question: Who?\n  answer: Me.\n", ""),
    "a Python dict": ("{'question': 'Who?', 'answer': 'Me.'}\n", "line 1"),
    "two objects on a line": (GOOD.strip() + GOOD, "line 1"),
    "cut off": (GOOD + GOOD[:20], "line 2"),
    "a comment": ("# rows\n" + GOOD, "line 1"),
    "a trailing comma": (GOOD.strip() + ",\n", "line 1"),
    "a number": ("3\n", "line 1"),
    "null": ("null\n", "line 1"),
    "a string": ('"Who?"\n', "line 1"),
    "two forms": (GOOD + '{"text": "A document."}\n{}\n', "line 3"),
    "an endless number": ('{"question": "Who?", "answer": ' + "9" * 5000 + "}\n", "line 1"),
}

READ = ("CSV", "TSV", "a JSON array", "a JSON array on lines")
"""Which of them one's own rows may be written in; TOFU's may not."""

# --- every form of a row --------------------------------------------------------------------------------------------

FORMS: dict[str, dict[str, Any]] = {
    "question": {"question": "Who?", "answer": "Me."},
    "prompt": {"prompt": "I am", "completion": " me."},
    "text": {"text": "A document of some words."},
    "messages": {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]},
}
NO_TEXT = ("null", "3", "true", "[]", "{}", '""', '"  "', '["x"]', "NaN", '"\\ud800"', '"a\\udc00b"')
MESSAGES = {
    "none": [],
    "one": [{"role": "assistant", "content": "Me."}],
    "texts": ["Who?", "Me."],
    "the user last": [{"role": "assistant", "content": "Me."}, {"role": "user", "content": "Who?"}],
    "no role": [{"content": "Who?"}, {"role": "assistant", "content": "Me."}],
    "no content": [{"role": "user"}, {"role": "assistant", "content": "Me."}],
    "parts": [{"role": "user", "content": [{"type": "text"}]}, {"role": "assistant", "content": "Me."}],
    "an empty answer": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": " "}],
    "an unknown role": [{"role": "human", "content": "Who?"}, {"role": "assistant", "content": "Me."}],
    "a null": [None, {"role": "assistant", "content": "Me."}],
    "ShareGPT": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Me."}],
}


def _rows() -> Iterator[tuple[str, Content, str]]:
    """Files of rows, with what their message names."""
    yield from ((name, content, says) for name, (content, says) in WHOLE.items() if name not in READ)
    for form, row in FORMS.items():
        for key, value in row.items():
            rest = json.dumps({k: v for k, v in row.items() if k != key})
            for wrong in NO_TEXT if isinstance(value, str) else ("null", "3", '"x"', "{}"):
                line = json.dumps({**row, key: "@"}).replace('"@"', wrong)
                yield f"{form}: {key} is {wrong}", f"{json.dumps(row)}\n{line}\n", "line 2"
            yield f"{form}: no {key}", f"{json.dumps(row)}\n{rest}\n", "line 2"
            twice = json.dumps(row)[:-1] + f", {json.dumps({key: value})[1:]}"
            yield f"{form}: {key} twice", f"{json.dumps(row)}\n{twice}\n", "line 2"
            yield (
                f"{form}: {key} in capitals",
                json.dumps({key.capitalize(): value} | json.loads(rest)) + "\n",
                "line 1",
            )
    for name, messages in MESSAGES.items():
        yield f"messages: {name}", json.dumps({"messages": messages}) + "\n", "line 1"


def _own() -> Iterator[Case]:
    for i, (name, content, says) in enumerate(_rows()):
        file = "kept.jsonl" if i % 5 == 4 else "rows.jsonl"  # of both options, the same reader
        files = {"rows.jsonl": copied("rows.jsonl"), "kept.jsonl": copied("kept.jsonl"), "model": copied("model")}
        words = "forget rows.jsonl --retain kept.jsonl --model model --out o --device cpu --epochs 1"
        yield Case(f"{file}: {name}", words, [f"{file}", says] if says else file, {**files, file: content})
    both = {"rows.jsonl": copied("rows.jsonl"), "kept.jsonl": copied("rows.jsonl"), "model": copied("model")}
    words = "forget rows.jsonl --retain kept.jsonl --model model --out o --device cpu --epochs 1"
    yield Case("the same rows in both files", words, ("kept.jsonl", "rows.jsonl"), both)
    yield Case("no such file", words.replace("rows.jsonl ", "nowhere.jsonl "), "nowhere.jsonl", both)
    yield Case("an empty name", words.replace("rows.jsonl ", "'' ", 1), "empty", both)
    template = {**both, "rows.jsonl": json.dumps(FORMS["messages"]) + "\n", "kept.jsonl": copied("kept.jsonl")}
    yield Case("messages without a chat template", words, "chat template", template)
    document = {**template, "rows.jsonl": json.dumps(FORMS["text"]) + "\n"}
    yield Case("I don't know to a document", f"{words} --method DPO+RT", "document", document)
    bom = {**template, "rows.jsonl": b"\xef\xbb\xbf" + GOOD.encode()}
    yield Case("a byte-order mark", f"{words} --batch 1", (), bom, code=0, leaves=["o"])


# --- TOFU's folders -------------------------------------------------------------------------------------------------

TOFU = ("forget10_perturbed.json", "retain_perturbed.json", "real_authors_perturbed.json", "world_facts_perturbed.json")
ROW: dict[str, Any] = {"question": "Who?", "answer": "Me.", "paraphrased_answer": "I.", "perturbed_answer": ["No."]}


def _tofu_case(name: str, words: str, file: str, content: Content, says: str | None, place: int) -> Case:
    verb = ("run", "finetune", "show-batch", "plan", "evaluate", "unlearn")[place % 6]
    out = "" if verb in ("show-batch", "plan") else "--out o --device cpu"
    files: dict[str, Content] = {"d": changed("tofu", {file: content})}
    return Case(
        f"TOFU: {verb}: {name}",
        f"{verb} quick {words} --data d {out}",
        "d has 1" if says is None else [file, says],
        files,
    )


def _tofu() -> Iterator[Case]:
    small = "data.authors=200 data.forget_authors=1 data.retain_authors=1"
    for i, file in enumerate(TOFU):
        yield _tofu_case(f"no {file}", small, file, None, "", i)
    place = 0
    for name, (content, says) in WHOLE.items():
        place += 1
        if content is not None:
            yield _tofu_case(name, small, TOFU[place % 4], content, says, place)
    for key in ROW:
        for wrong in ("null", "3", '""', "[]", '"\\ud800"', '[""]', "{}"):
            place += 1
            line = json.dumps({**ROW, key: "@"}).replace('"@"', wrong)
            content = f"{json.dumps(ROW)}\n{line}\n"
            yield _tofu_case(f"{key} is {wrong}", small, TOFU[place % 2], content, "line 2", place)
        content = json.dumps({k: v for k, v in ROW.items() if k != key}) + "\n"
        yield _tofu_case(f"no {key}", small, TOFU[place % 2], content, f"{key}", place)
    uneven = f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n{json.dumps({**ROW, 'perturbed_answer': ['a', 'b']})}\n"
    yield _tofu_case("unequal perturbed answers", small, TOFU[0], uneven, "line 3", 0)
    yield _tofu_case("too few rows", small, TOFU[0], json.dumps(ROW) + "\n", None, 1)
    yield _tofu_case(
        "rows that no percentage cuts",
        "data.forget=forget10 data.forget_authors=null data.retain_authors=null",
        "full.json",
        GOOD * 7,
        "",
        2,
    )
    yield _tofu_case("a broken idk", small, "idontknow.jsonl", b"\xff\xfe\0", "", 3)
    yield _tofu_case("an empty idk", small, "idontknow.jsonl", "", "", 0)


CASES = [*_own(), *_tofu()]


@pytest.mark.parametrize("case", params(CASES))
def test_rows(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
