"""Evaluation protocols by name: what else would have to be told beside every number.

| protocol | truth ratio, mean over perturbed answers | questions a set | generation | what counts as answer |
|---|---|---|---|---|
| `tofu-paper` | arithmetic mean | first 300 | greedy, 200 tokens with the prompt | with the tag and one end token |
| `tofu` (the leaderboard; default) | geometric mean | first 300 | the same | the same |
| `all-questions` | geometric mean | all | greedy, 200 new tokens | without the tag, with one end token |
| `open-unlearning` | geometric mean, guarded | all | the same, by the model's own settings | as it counts tokens |

Under `open-unlearning` a model has the numbers that open-unlearning gives it: its rows (`scale.data.counted`), its
generation, its true texts, its guards against division by zero. docs/numbers.md has the size of each.

Source: arXiv:2401.06121, arXiv:2506.12618 and the code of the three projects.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from records.errors import UserError
from scale.data.counted import counting, truth_after
from scale.data.prompts import Writer
from scale.data.questions import Question
from scale.evaluation.metrics import (
    Losses,
    log_truth_ratio_arithmetic,
    log_truth_ratio_geometric,
    log_truth_ratio_guarded,
)
from scale.models.answering.generation import Generation

__all__ = ["PROTOCOLS", "Protocol", "protocol_of"]


def _as_it_is(writer: Writer) -> Writer:
    return writer


def _truth(writer: Writer, question: Question) -> str:
    del writer
    return question.truth


@dataclass(frozen=True)
class Protocol:
    """How a model is examined and its truth ratio is taken; `questions` is the most of a set, None for all.

    `writer` is the one that writes rows so, made of ours; `truth` the text that an answer is compared with; `forms` the
    names of metrics that are taken in another form, with the name of that.
    """

    name: str
    log_truth_ratio: Callable[[Losses], np.ndarray]
    questions: int | None
    generation: Generation
    tag_counts: bool
    writer: Callable[[Writer], Writer] = _as_it_is
    truth: Callable[[Writer, Question], str] = _truth
    forms: Mapping[str, str] = field(default_factory=dict)

    def form(self, metric: str) -> str:
        """The name of a metric in this protocol's form of it."""
        return self.forms.get(metric, metric)


_WITH_PROMPT, _NEW = Generation(200, prompt_counts=True), Generation(200, prompt_counts=False)
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("tofu-paper", log_truth_ratio_arithmetic, 300, _WITH_PROMPT, tag_counts=True),
        Protocol("tofu", log_truth_ratio_geometric, 300, _WITH_PROMPT, tag_counts=True),
        Protocol("all-questions", log_truth_ratio_geometric, None, _NEW, tag_counts=False),
        Protocol(
            "open-unlearning",
            log_truth_ratio_guarded,
            None,
            Generation(200, prompt_counts=False, inherits=True, tidied=True),
            tag_counts=False,
            writer=counting,
            truth=truth_after,
            forms={
                "extraction_strength": "extraction_strength_floored",
                "probability_among": "probability_among_guarded",
                "truth_share": "truth_share_guarded",
                "rouge": "rouge_latin",
                "rouge1": "rouge1_latin",
            },
        ),
    )
}


def protocol_of(name: str) -> Protocol:
    """A protocol by name; UserError with the nearest one where there is none.

    >>> protocol_of("tofu").questions
    300
    """
    if name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"There is no protocol {name!r}.{hint} Protocols: {', '.join(PROTOCOLS)}.")
    return PROTOCOLS[name]
