"""The true answer as a free draft: what a model would say greedily, as far as scoring the true answer has shown it.

The forward pass that scores the true answer gives the likeliest token after each of its beginnings. As long as these
are the answer's own tokens, greedy generation says the same; the first that differs is still what it says there; from
then on nothing is known, and the rest is generated (`scale.models.answering.generation`). A model that knows the answer
needs no generation at all.

Scoring and generation are two ways of reading that differ by rounding, so a token counts only where it leads the next
likeliest by more than `least_lead`; and only where the model reads a beginning as it reads it with the rest behind it
(`causal` tries; Doge and Phi-3's long texts do not). So answers are those of plain greedy generation.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from scale.data.prompts import Encoded
from scale.models.reading.faster import alike, alone, tried_once
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

__all__ = ["LEADS", "SHOWN", "ScoredTruth", "causal", "draft", "drafts_of", "least_lead"]

LEADS = {torch.float32: 0.01}
"""How far a token has to lead (nats) by the type that is computed in; of all others 0.5. The logits of two ways of
reading are about 1e-4 apart in float32, some 0.1 in bfloat16, where equal logits are common too."""

SHOWN = ("predicted", "lead")
"""What scoring has to show of the true answers' tokens, by its names in `theory.looks`."""


class ScoredTruth(NamedTuple):
    """A true answer as it was scored: the likeliest token in the place of each of its tokens, and its lead in nats."""

    answer: Encoded
    predicted: Sequence[int]
    lead: Sequence[float]


def drafts_of(
    scorer: nn.Module, openings: Sequence[Sequence[int]], shown: Sequence[ScoredTruth], processes: Processes
) -> list[tuple[int, ...]]:
    """The draft of the answer after each opening: empty where there is none, or the model allows none."""
    if not causal(scorer, openings, [one.answer for one in shown], processes):
        return [()] * len(openings)
    least = least_lead(processes.accelerator.unwrap_model(scorer), processes)
    return [draft(opening, *one, least=least) for opening, one in zip(openings, shown, strict=True)]


def draft(
    opening: Sequence[int], answer: Encoded, predicted: Sequence[int], lead: Sequence[float], *, least: float
) -> tuple[int, ...]:
    """The first tokens of the greedy answer after `opening`, the end token included where that is known.

    `predicted` is the likeliest token in the place of each answer token, `lead` by how many nats it leads. None is
    known where the question is not scored after the tokens of its opening: where its last one merges with the
    answer's first, or is a space that generation leaves to the answer; or where some of it is unseen, since generation
    then counts positions without it.

    >>> answer = Encoded((5, 6, 7, 8, 2), first=2)
    >>> draft((5, 6), answer, [7, 8, 2], [3.0, 3.0, 3.0], least=0.01)
    (7, 8, 2)
    >>> draft((5, 6), answer, [7, 9, 2], [3.0, 3.0, 3.0], least=0.01)
    (7, 9)
    >>> draft((5, 6), answer, [7, 9, 2], [3.0, 0.0, 3.0], least=0.01)
    (7,)
    """
    start = len(opening)
    if start < answer.first or answer.ids[:start] != tuple(opening) or any(i < start for i in answer.unseen):
        return ()
    known: list[int] = []
    skipped = start - answer.first  # a tag that is asked for, but not generated
    for label, likeliest, ahead in zip(answer.ids[start:], predicted[skipped:], lead[skipped:], strict=True):
        if not ahead > least:  # NaN too
            break
        known.append(int(likeliest))
        if likeliest != label:
            break
    return tuple(known)


def least_lead(scorer: Scorer, processes: Processes) -> float:
    """How far a token has to lead the next likeliest to be the same whichever way the text is read."""
    if processes.precision != "float32":
        return LEADS.get(torch.bfloat16, 0.5)
    return max(LEADS.get(weight.dtype, 0.5) for weight in scorer.parameters())


def causal(scorer: nn.Module, openings: Sequence[Sequence[int]], rows: Sequence[Encoded], processes: Processes) -> bool:
    """Does this model read a beginning by itself as with the rest behind it? Tried once, on the longest row."""
    if not rows:
        return False
    longest = max(range(len(rows)), key=lambda i: len(rows[i].ids))
    ids, shortest = rows[longest].ids, min(len(opening) for opening in openings)
    tried = sorted({shortest, len(openings[longest]), len(ids) - 1})

    def ask(module: Scorer) -> bool:
        whole = alone(module, ids)
        return all(alike(alone(module, ids[:n])[-1], whole[n - 1], module) for n in tried)

    said = "what it reads changes with what comes behind it, so the true answer is no draft, and all is generated."
    return tried_once(scorer, processes, ("drafts", len(ids), *tried), ask, said)
