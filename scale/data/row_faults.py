"""What a file of rows is told that can't be used: as a whole where all of it is so, else each row with its place."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.json_lines import unusable

__all__ = ["refusal"]

_LOOKS: Mapping[str, tuple[frozenset[str], str]] = {
    "Alpaca's rows (instruction, input, output)": (
        frozenset({"instruction", "output"}),
        "How the three become a prompt differs from model to model: write it as prompt and completion.",
    ),
    "preference pairs": (
        frozenset({"chosen", "rejected"}),
        "Which of the two is to be forgotten they do not say: write that as prompt and completion.",
    ),
    "questions with passages, as SQuAD's": (
        frozenset({"context", "question"}),
        "Write the passage and the question together as prompt, and the answer as completion.",
    ),
    "questions and answers under other names": (
        frozenset({"query", "response"}),
        "Call them question and answer, or prompt and completion where nothing is to be written around them.",
    ),
    "prompts and answers under other names": (
        frozenset({"prompt", "response"}),
        "Call the response completion, if nothing is to be written around the prompt; else question and answer.",
    ),
    "inputs and outputs": (
        frozenset({"input", "output"}),
        "Call them prompt and completion, or question and answer if the model's prompt format belongs around them.",
    ),
}
_TOOL_CALLS = "ShareGPT conversations with tool calls"


def refusal(
    path: Path, values: Sequence[Any], wrong: Sequence[tuple[int, str]], *, place: str, advice: str
) -> UserError:
    """One error for all that is wrong with the rows `values` of a file; `wrong` has number and fault of each."""
    reasons = {what.split(":")[0] for _, what in wrong}
    if len(wrong) < max(2, len(values)) or len(reasons) > 1:
        return unusable(path, wrong, f"Mend these {place}s, or take them out.", place=place)
    _, reason = wrong[0]
    keys = frozenset.intersection(*(frozenset(value if isinstance(value, Mapping) else ()) for value in values))
    for what, (has, do) in _LOOKS.items():
        if has <= keys:
            return UserError(f"{path} looks like {what}: none of its {len(values)} rows can be used. {do}")
    if ("conversations" in keys and "tool calls" in reason) or {"conversations", "tools"} <= keys:
        do = "Tools are not learned here: write the rows as messages without them."
        return UserError(f"{path} looks like {_TOOL_CALLS}: none of its {len(values)} rows can be used. {do}")
    return UserError(f"{path}: none of its {len(values)} rows can be used, each for one reason: {reason}. {advice}")
