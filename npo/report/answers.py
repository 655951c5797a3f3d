"""Sampled answers side by side, after the paper's Figure 7: one question, and what each run makes of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from figures.llm_runs import names_of
from records.plain import markdown
from records.store import Data

__all__ = ["answers_markdown", "one_question", "side_by_side"]


def side_by_side(runs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The questions whose answers were kept, with each run's answer."""
    told = {label: {(t["set"], t["question"]): t for t in run["texts"]} for label, run in runs.items()}
    keys = dict.fromkeys(key for texts in told.values() for key in texts)
    return [
        {
            "set": key[0],
            "question": key[1],
            "answer": next(texts[key]["answer"] for texts in told.values() if key in texts),
            "generated": [(label, texts[key]["generated"]) for label, texts in told.items() if key in texts],
        }
        for key in keys
    ]


def answers_markdown(samples: Sequence[Mapping[str, Any]]) -> str:
    """Questions with the answers of several runs, as Markdown."""
    lines = []
    for sample in samples:
        lines += [f"**{markdown(sample['set'])}: {markdown(sample['question'])}**", ""]
        lines += [f"- true: {markdown(sample['answer'])}"]
        lines += [f"- {markdown(label)}: {markdown(text) or '(nothing)'}" for label, text in sample["generated"]]
        lines.append("")
    return "\n".join(lines)


def one_question(results: Mapping[str, Data]) -> str:
    """The first question whose answers were kept, and what each method's first seed makes of it, as a table."""
    names = names_of(results)
    first: dict[str, Mapping[str, Any]] = {}
    for unit in results.values():
        first.setdefault(names[str(unit.values["label"])], unit.values)
    sample = side_by_side(first)[0]
    lines = [f"“{markdown(sample['question'])}” The true answer: “{markdown(sample['answer'])}”", ""]
    lines += ["| method | answer |", "|---|---|"]
    return "\n".join(
        [*lines, *(f"| {markdown(m)} | {markdown(text) or '(nothing)'} |" for m, text in sample["generated"])]
    )
