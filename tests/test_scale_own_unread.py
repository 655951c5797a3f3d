"""A row that says more than is taken of it is refused; ids and remarks beside it are nobody's words."""

import json

import pytest

from records.errors import UserError
from scale.data.user_rows import read_user_rows

QUESTION = {"question": "Where was Ada born?", "answer": "In Oldham."}
PROMPT = {"prompt": "Ada was born", "completion": " in Oldham."}
USER, ASSISTANT = {"role": "user", "content": "Where was Ada born?"}, {"role": "assistant", "content": "In Oldham."}
CALL = [{"name": "births", "arguments": {"of": "Ada"}}]
SAID_MORE = [
    ("tools", {"messages": [USER, ASSISTANT], "tools": CALL}),
    ("functions", {"messages": [USER, ASSISTANT], "functions": CALL}),
    ("documents", {"messages": [USER, ASSISTANT], "documents": [{"title": "Births", "text": "Ada: Oldham."}]}),
    ("chat_template_kwargs", {"messages": [USER, ASSISTANT], "chat_template_kwargs": {"enable_thinking": True}}),
    ("tool_calls", {"messages": [USER, {**ASSISTANT, "tool_calls": CALL}]}),
    ("function_call", {"messages": [USER, {**ASSISTANT, "content": "", "function_call": CALL[0]}, ASSISTANT]}),
    ("reasoning_content", {"messages": [USER, {**ASSISTANT, "reasoning_content": "Oldham, I think."}]}),
    ("thinking", {"messages": [USER, {**ASSISTANT, "thinking": "Oldham, I think."}]}),
    ("context", {**QUESTION, "context": "Ada was born in Oldham."}),
    ("system", {**QUESTION, "system": "Be brief."}),
    ("instruction", {**PROMPT, "instruction": "Go on."}),
]
REMARKS = [
    {**QUESTION, "id": 7, "source": "a letter", "context": "", "tags": ["birth"]},
    {**PROMPT, "label": True, "system": None},
    {"messages": [{**USER, "id": 1}, {**ASSISTANT, "tool_calls": [], "reasoning_content": None}], "tools": []},
]


def _file(path, row):
    path.write_text(json.dumps(row) + "\n", encoding="utf8")
    return path


@pytest.mark.parametrize(("key", "row"), SAID_MORE, ids=[key for key, _ in SAID_MORE])
def test_a_row_that_says_more_than_is_read_is_refused(tmp_path, key, row):
    with pytest.raises(UserError, match=rf"line 1: .*it has {key}, which would be left out: write all") as refused:
        read_user_rows(_file(tmp_path / "rows.jsonl", row))
    assert "prompt and completion" in str(refused.value)


@pytest.mark.parametrize("row", REMARKS, ids=["question", "prompt", "messages"])
def test_ids_remarks_and_empty_lists_are_left_out(tmp_path, row):
    assert len(read_user_rows(_file(tmp_path / "rows.jsonl", row)).rows) == 1
