"""Evaluations that open-unlearning has written: TOFU_EVAL.json, question by question, and TOFU_SUMMARY.json, of means.

An evaluation is {metric: {"agg_value": mean, "value_by_index": {question: {…}}}}. Of each set it has the losses of the
true answer, the paraphrase and the wrong answers, and ROUGE, so that it scores as a log in TOFU's format does
(`scale.evaluation.tofu_log`), under the protocol `open-unlearning`. A summary is {metric: mean}: it is shown as it
tells.  Source: arXiv:2506.12618 and its code.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError
from records.json_lines import read_json
from scale.evaluation.log_columns import METRICS, columns_of
from scale.evaluation.protocols import PROTOCOLS
from scale.evaluation.results import SetResult
from scale.evaluation.scores import scores
from scale.evaluation.tofu_log import part_of, score

__all__ = ["PROTOCOL", "Evaluation", "differing", "means", "read_evaluation", "scored"]

PROTOCOL = PROTOCOLS["open-unlearning"]
TOLD = {
    "model_utility": "model_utility",
    "forget_quality": "forget_quality",
    "forget_truth_ratio": "forget_truth_ratio",
    "forget_Q_A_Prob": "forget_probability",
    "forget_Q_A_ROUGE": "forget_rouge",
    "retain_Q_A_Prob": "retain_probability",
    "retain_Q_A_ROUGE": "retain_rouge",
    "retain_Truth_Ratio": "retain_truth_ratio",
    "ra_Q_A_Prob_normalised": "real_authors_probability",
    "ra_Q_A_ROUGE": "real_authors_rouge",
    "ra_Truth_Ratio": "real_authors_truth_ratio",
    "wf_Q_A_Prob_normalised": "world_facts_probability",
    "wf_Q_A_ROUGE": "world_facts_rouge",
    "wf_Truth_Ratio": "world_facts_truth_ratio",
}
"""Its names of means, with ours; what else it measured keeps its own name."""
_PREFIXES = {"retain": "retain", "real_authors": "ra", "world_facts": "wf", "forget": "forget"}
_PARAPHRASED = ("retain", "forget")
"""The sets whose truth ratio is against a paraphrase; that of the others is against the answer itself."""
_TOLERANCE = 1e-3


class Evaluation(NamedTuple):
    """What open-unlearning found of a model: its means by our names, and the sets that are there by question."""

    path: Path
    told: dict[str, float]
    sets: dict[str, SetResult]


def read_evaluation(path: Path) -> Evaluation | None:
    """Read an evaluation or a summary; None where the file is none of open-unlearning's.

    UserError where it is absent, no JSON, or one whose numbers no model can have.
    """
    content = read_json(path, "Name an evaluation log in TOFU's format, or an evaluation of open-unlearning.")
    if not isinstance(content, dict) or not (_means(content).keys() & TOLD.keys()):
        return None
    told = {TOLD.get(name, name): value for name, value in _means(content).items()}
    if told.get("forget_quality", 0.0) > 0:
        told["log10_forget_quality"] = math.log10(told["forget_quality"])
    sets = {name: _set(path, name, content) for name in _PREFIXES if all(_columns(content, name).values())}
    return Evaluation(path, told, sets)


def _means(content: Mapping[str, Any]) -> dict[str, float]:
    """The mean of every metric that has one: the value itself in a summary."""
    found = {name: one.get("agg_value") if isinstance(one, dict) else one for name, one in content.items()}
    numbers = {name: x for name, x in found.items() if isinstance(x, int | float) and not isinstance(x, bool)}
    return {name: float(x) for name, x in numbers.items() if math.isfinite(x)}


def _columns(content: Mapping[str, Any], name: str) -> dict[str, dict[str, Any]]:
    """The columns of a set under the names that they have in TOFU's format; empty where it was not measured."""
    keys = ("avg_loss", "avg_loss", "avg_loss", "rougeL_recall")
    sources = zip(METRICS, _sources(name), keys, strict=True)
    return {metric: _column(content.get(source), key) for metric, source, key in sources}


def _sources(name: str) -> list[str]:
    """Its metrics of a set that `METRICS` are taken from, in their order."""
    paraphrase = "PARA_Prob" if name in _PARAPHRASED else "Prob"
    return [f"{_PREFIXES[name]}_Q_A_{kind}" for kind in ("Prob", paraphrase, "PERT_Prob", "ROUGE")]


def _column(metric: Any, key: str) -> dict[str, Any]:
    by_index = metric.get("value_by_index") if isinstance(metric, dict) else None
    return {i: one.get(key) if isinstance(one, dict) else one for i, one in (by_index or {}).items()}


def _set(path: Path, name: str, content: Mapping[str, Any]) -> SetResult:
    return part_of(columns_of(path, ", ".join(dict.fromkeys(_sources(name))), _columns(content, name)))


def scored(
    path: Path,
    own: Mapping[str, SetResult],
    retrained: tuple[Path, Mapping[str, SetResult]] | None,
    told: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The scores of a model, computed anew from its questions, and what an evaluation tells of itself, `told`.

    Forget quality is that against the retrained model; without one everything is as it is told. UserError where there
    is a retrained model and no question of the forget set.
    """
    first = {"protocol": PROTOCOL.name, "source": "open-unlearning"}
    if retrained is None:
        return {**first, **(told or {})}
    for place, of in ((path, own), retrained):
        if "forget" not in of:
            raise UserError(f"{place}: forget quality needs {', '.join(_sources('forget'))}, question by question.")
    found = score(own, retrained[1], PROTOCOL)
    return {**first, **found, "told": dict(told)} if told is not None else found


def means(own: Evaluation) -> dict[str, float | None]:
    """What can be had without a retrained model: computed anew from the questions, else as it is told."""
    return {**own.told, **{key: value for key, value in scores(own.sets, PROTOCOL).items() if value is not None}}


def differing(own: Evaluation) -> list[str]:
    """A sentence for each mean that is not what its questions give; none in a summary, which has no questions."""
    again = scores(own.sets, PROTOCOL)
    return [
        f"{own.path}: {key} is told as {told:.4g}, and its questions give {again[key]:.4g}."
        for key, told in own.told.items()
        if (value := again.get(key)) is not None and not math.isclose(told, value, rel_tol=_TOLERANCE, abs_tol=1e-6)
    ]
