"""How far the forget answers should fall: the drop u* = mean(log π_ref − log π_retr) in nats, and estimates of it.

u* needs a model that was retrained without these answers. Who has none estimates what it would say of them, from what
there is: the model before finetuning, answers that nobody was trained on, the same answers in other words. Each
estimate is a pure function of nats and tokens (`scale.beta.nats`), and gives the drop of every answer.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from scale.beta.nats import AnswerNats

__all__ = ["Drops", "from_base", "from_held_out", "from_other_answers", "from_retrained"]


class Drops(NamedTuple):
    """The drop of each answer in nats, (n,), their tokens, (n,), and the standard error of their mean."""

    drop: np.ndarray
    tokens: np.ndarray
    error: float

    @property
    def mean(self) -> float:
        """The estimate of u*, nats an answer."""
        return float(self.drop.mean())

    @property
    def per_token(self) -> float:
        """The estimate in nats a token."""
        return float(self.drop.sum() / self.tokens.sum())

    def described(self) -> Mapping[str, Any]:
        """In numbers, for a record."""
        return {
            "drop": self.mean,
            "error": self.error if np.isfinite(self.error) else None,
            "per_token": self.per_token,
            "answers": len(self.drop),
        }


def from_retrained(reference: AnswerNats, retrained: AnswerNats) -> Drops:
    """log π_ref − log π_retr, answer by answer: the wanted drop itself.

    Hypothesis: the second model was made as the reference was, but for the forget rows. The error is that of the mean
    over answers alone: of another seed of the retrained model it says nothing.

    >>> two = np.array([10.0, 10.0])
    >>> from_retrained(AnswerNats(np.array([1.0, 3.0]), two), AnswerNats(np.array([51.0, 43.0]), two)).mean
    45.0
    """
    return _paired(retrained.nll - reference.nll, reference.tokens)


def from_base(reference: AnswerNats, base: AnswerNats) -> Drops:
    """log π_ref − log π_base: what finetuning has taught of these answers.

    Hypothesis: what finetuning on the other rows would have taught of the forget answers (their form, their words) is
    small beside what it taught of them by heart. A model retrained on the others has learnt the form too, so this is
    too large, and the more so the less the base knows of such answers.
    """
    return _paired(base.nll - reference.nll, reference.tokens)


def from_held_out(forget: AnswerNats, held_out: AnswerNats) -> Drops:
    """What the reference would lose on the forget answers, if it knew them as little as held-out ones of their kind.

    u_i = ν n_i + log π_ref(y_i) with ν nats a token of held-out answers, n_i tokens. Hypotheses: the held-out answers
    are of the same kind and were in nobody's training, and a model retrained without the forget answers is as
    surprised by them as the reference is by the held-out ones. The error is that of ν and of the mean together.

    >>> known = AnswerNats(np.array([2.0, 6.0]), np.array([10.0, 30.0]))
    >>> new = AnswerNats(np.array([50.0, 50.0]), np.array([20.0, 20.0]))
    >>> from_held_out(known, new).drop.tolist()
    [23.0, 69.0]
    """
    rate = held_out.nll.sum() / held_out.tokens.sum()
    found = _paired(rate * forget.tokens - forget.nll, forget.tokens)
    off = _error((held_out.nll - rate * held_out.tokens) / held_out.tokens.mean())  # of a ratio of means
    return found._replace(error=float(np.hypot(found.error, off * forget.tokens.mean())))


def from_other_answers(answer: AnswerNats, other: AnswerNats) -> Drops:
    """What the reference loses on the forget answers where they are said otherwise: in other words, or wrongly.

    u_i = n_i · (nats a token of the other answer) + log π_ref(y_i). Hypothesis: another answer to the same question is
    as new to the reference as the true one would be to a retrained model. It is not, as far as finetuning taught what
    is said and not only how, so this is too small for paraphrases, and can be too large for wrong answers.
    """
    return _paired(other.nll / other.tokens * answer.tokens - answer.nll, answer.tokens)


def _paired(drop: np.ndarray, tokens: np.ndarray) -> Drops:
    return Drops(drop, tokens, _error(drop))


def _error(values: np.ndarray) -> float:
    """The standard error of a mean; of one value alone it is not known, and infinite."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")
