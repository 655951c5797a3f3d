"""Every metric by the name that a protocol, a task or a recipe asks for it, one's own as `file.py:name`."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from records.errors import UserError
from records.loader import find_function, find_parameters, load_function, source_of
from scale.evaluation.measurable import END, MEASURABLE
from scale.evaluation.metrics.continuation import knowmem, verbmem
from scale.evaluation.metrics.degeneracy import degenerate
from scale.evaluation.metrics.membership import loss, min_k, min_k_plus_plus, zlib
from scale.evaluation.metrics.memorization import (
    exact_memorization,
    extraction_strength,
    extraction_strength_floored,
)
from scale.evaluation.metrics.probability import (
    paraphrase_probability,
    probability,
    probability_among,
    probability_among_guarded,
)
from scale.evaluation.metrics.rouge import rouge, rouge1, rouge1_latin, rouge_latin
from scale.evaluation.metrics.truth_ratio import (
    forget_truth_ratio,
    retain_truth_ratio,
    truth_share,
    truth_share_guarded,
)

__all__ = ["METRICS", "Metric", "is_own", "known_metric", "metric_of", "needs_of"]


@dataclass(frozen=True)
class Metric:
    """A function of measured things, and the name that it is asked for by.

    Its parameters have the names of what they take (`MEASURABLE`), but for those in `takes`.
    """

    name: str
    function: Callable[..., Any]
    takes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _filled(self) -> dict[str, str]:
        """Its parameters without a default, each with the name of what it takes."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: self.takes.get(p.name, p.name) for p in parameters if p.default is p.empty}

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of what must be measured for it."""
        return tuple(self._filled.values())

    def of(self, given: Mapping[str, Any]) -> Any:
        """Its value of what was measured, by the names of that."""
        return self.function(**{parameter: given[name] for parameter, name in self._filled.items()})

    @property
    def of_a_set(self) -> bool:
        """Is it a function of a whole set, with a number for each question?"""
        return any(MEASURABLE[name].level == "set" for name in self.needs)


_TAKES: Mapping[str, Mapping[str, str]] = {
    "loss": {"token_logp": "token_logp" + END},
    "zlib": {"loss": "true_loss", "text": "truth"},
    "min_k_plus_plus": {"mean": "mean_logp"},
}
"""Parameters that are not called what they take, of functions that are read better by themselves."""
METRICS: Mapping[str, Metric] = {
    function.__name__: Metric(function.__name__, function, _TAKES.get(function.__name__, {}))
    for function in (
        probability,
        probability_among,
        probability_among_guarded,
        paraphrase_probability,
        rouge,
        rouge1,
        rouge_latin,
        rouge1_latin,
        degenerate,
        forget_truth_ratio,
        retain_truth_ratio,
        truth_share,
        truth_share_guarded,
        exact_memorization,
        extraction_strength,
        extraction_strength_floored,
        verbmem,
        knowmem,
        loss,
        zlib,
        min_k,
        min_k_plus_plus,
    )
}


def is_own(name: str) -> bool:
    """Is it a user's own function, `path/to/file.py:name`?"""
    return ":" in name


def known_metric(name: str) -> None:
    """UserError, with the nearest names, where there is no such metric; nothing of a user's is run."""
    if is_own(name):
        find_function(name)
    elif name not in METRICS:
        near = difflib.get_close_matches(name, METRICS, n=2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"There is no metric {name!r}.{hint} Metrics: {', '.join(METRICS)}; or path/to/file.py:function_name."
        )


def needs_of(name: str) -> tuple[str, ...]:
    """What a metric needs, of a user's as the text of its file has it, which is not run; none where that can't tell.

    UserError where there is no such metric or it asks for what nobody measures.
    """
    known_metric(name)
    if not is_own(name):
        return METRICS[name].needs
    if (found := find_parameters(name)) is None:
        return ()
    _refuse(name, found)
    return tuple(p.name for p in found.parameters.values() if p.default is p.empty)


def metric_of(name: str) -> Metric:
    """A metric by its name; a user's file is run. UserError where there is none or it asks for what nobody measures."""
    known_metric(name)
    return METRICS[name] if not is_own(name) else _own(name, source_of(name))


@lru_cache(maxsize=64)
def _own(name: str, source: str) -> Metric:
    """A user's, whose file is run again where its text has changed."""
    del source
    function = load_function(name)
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        raise UserError(f"The metric {name}: its parameters can't be read: write it as a function (def …).") from None
    _refuse(name, found)
    return Metric(name, function)


def _refuse(name: str, found: inspect.Signature) -> None:
    if wrong := _unmeasured(found):
        raise UserError(f"The metric {name}: {'; '.join(wrong)}.")


def _unmeasured(found: inspect.Signature) -> list[str]:
    """What is wrong with the parameters of a user's function."""
    wanted = [p for p in found.parameters.values() if p.default is p.empty]
    wrong = []
    for p in wanted:
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
            wrong.append(f"{p} can't be filled by name: name what it needs")
        elif p.name not in MEASURABLE:
            near = difflib.get_close_matches(p.name, MEASURABLE, n=2)
            hint = f"did you mean {' or '.join(near)}" if near else f"there are {', '.join(MEASURABLE)}"
            wrong.append(f"nothing measured is called {p.name}; {hint}")
    levels = {MEASURABLE[p.name].level for p in wanted if p.name in MEASURABLE}
    if "set" in levels and len(levels) > 1:
        wrong.append("losses and log_ratio are of a whole set, and can't be taken with what is of one question")
    return wrong if wanted else ["it asks for nothing: name what it needs as parameters"]
