"""The values of metrics, question by question: each function is given what its parameters name, and is watched.

A user's own function is told by its name where it raises, returns no number, or none that is finite although all that
it was given is.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np

from records.errors import UserError
from records.shown import shown
from scale.data.questions import Question
from scale.evaluation.catalogue import Metric, is_own
from scale.evaluation.scored import Scored
from scale.models.answering.generation import Answer

__all__ = ["NONE", "column_of", "measured", "own_column"]

NONE = np.array([])
"""The values of a metric that can't be had."""


def measured(questions: Sequence[Question], scored: Sequence[Scored], said: Sequence[Answer]) -> list[dict[str, Any]]:
    """What is known of each question, by the names of `scale.evaluation.measurable`; scored or answered may be none."""
    found = []
    for i, question in enumerate(questions):
        given: dict[str, Any] = {
            "prompt": question.asked.shown,
            "truth": question.truth,
            "paraphrases": question.paraphrases,
        }
        if scored:
            given |= {
                "loss": scored[i].loss,
                "true_loss": scored[i].loss[0],
                "tokens": scored[i].tokens,
                **scored[i].of_tokens,
            }
        if said:
            given |= {"text": said[i].text, "generated": np.array(said[i].ids, dtype=np.int64)}
        found.append(given)
    return found


def column_of(metric: Metric, given: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """A metric of every question, (n,); empty where it needs what is not there."""
    if not given or not set(metric.needs) <= given[0].keys():
        return NONE
    return np.array([_value(metric, {name: one[name] for name in metric.needs}) for one in given])


def _value(metric: Metric, given: Mapping[str, Any]) -> float:
    if not is_own(metric.name):
        return float(metric.of(given))
    with _told(metric.name):
        found = metric.of(_copies(given))
    if not isinstance(found, Real) and getattr(found, "ndim", None) != 0:
        raise UserError(f"The metric {metric.name} returns {shown(found)} for a question: return one number.")
    return float(_checked(metric.name, np.array(float(found)), given))


def own_column(metric: Metric, given: Mapping[str, Any], n: int) -> np.ndarray:
    """A user's metric of a whole set of n questions."""
    with _told(metric.name):
        found = np.asarray(metric.of(given))
    if found.shape != (n,) or found.dtype.kind not in "bif":
        raise UserError(
            f"The metric {metric.name} returns {found.dtype} of shape {found.shape} for {n} questions: return a number "
            f"for each, shape ({n},)."
        )
    return _checked(metric.name, found.astype(np.float64), given)


def _checked(name: str, found: np.ndarray, given: Mapping[str, Any]) -> np.ndarray:
    """Refuse what is not finite, unless a number that it was made from is not either: a destroyed model has none."""
    if not np.isfinite(found).all() and all(_finite(value) for value in given.values()):
        known = ", ".join(f"{key} = {shown(value)}" for key, value in given.items())
        raise UserError(f"The metric {name} is not finite ({found.tolist()}) where all it is given is: {known}.")
    return found


def _finite(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_finite, value))
    return isinstance(value, str) or bool(np.isfinite(value).all())


def _copies(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in given.items()}


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Whatever a user's function raises, an end of the program too, as a mistake in it; Ctrl-C goes through."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UserError(f"The metric {name} raised {type(error).__name__}: {error}") from error
