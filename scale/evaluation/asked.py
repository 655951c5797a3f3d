"""What is asked of a model beyond its questions: the metrics of TOFU's sets, and further ones that a recipe names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from records.errors import UserError
from scale.data.questions import EVERY_SET, Question, QuestionSet, asks, label_of
from scale.data.row import Row
from scale.evaluation.catalogue import is_own, needs_of

__all__ = ["ANSWERED", "TOFU_METRICS", "refuse_wanting", "tofu_sets", "with_metrics"]


ANSWERED = asks("probability", "rouge", "rouge1", "degenerate")
"""What any questions with answers allow."""
_KNOWN = ANSWERED | asks(truth_ratio="retain_truth_ratio")
_AMONG = _KNOWN | asks(probability="probability_among")
TOFU_METRICS: Mapping[str, Mapping[str, str]] = {
    "forget": ANSWERED | asks(truth_ratio="forget_truth_ratio"),
    "retain": _KNOWN,
    "real_authors": _AMONG,
    "world_facts": _AMONG,
}
"""What is taken of TOFU's four sets.  Source: arXiv:2401.06121, Sec. 2.2."""


_COMPARING = ("probability_among", "probability_among_guarded", "truth_share_guarded")
"""Metrics of losses that are nothing without wrong answers."""


def tofu_sets(asked: Mapping[str, Sequence[Row]]) -> dict[str, QuestionSet]:
    """TOFU's sets that are not empty."""
    return {
        name: QuestionSet(tuple(row.asked for row in rows), TOFU_METRICS[name]) for name, rows in asked.items() if rows
    }


def with_metrics(sets: Mapping[str, QuestionSet], more: Mapping[str, Iterable[str]]) -> dict[str, QuestionSet]:
    """The sets with further metrics, by the name of a set; those of `EVERY_SET` are taken of all that lack them.

    UserError where there is no such set, or two metrics of a set would share a name.
    """
    unknown = [name for name in more if name not in (*sets, EVERY_SET)]
    wrong = [f"evaluate.metrics: there is no set {name}; there are {', '.join(sets)}." for name in unknown]
    found = {}
    for name, one in sets.items():
        metrics, for_all = dict(one.metrics), more.get(EVERY_SET, ())
        for metric in (*for_all, *more.get(name, ())):
            other = metrics.setdefault(label_of(metric), metric)
            if other != metric and (metric not in for_all or is_own(metric)):
                wrong.append(f"evaluate.metrics: {name}_{label_of(metric)} would be both {metric} and {other}.")
        found[name] = replace(one, metrics=metrics)
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def refuse_wanting(sets: Mapping[str, QuestionSet], more: Mapping[str, Iterable[str]]) -> None:
    """UserError naming every further metric that needs answers which no question that it is taken of has.

    There are such metrics: that is known before.
    """
    wrong = []
    for name, metrics in more.items():
        questions = [q for one in (sets if name == EVERY_SET else (name,)) for q in sets[one].questions]
        for metric in metrics:
            if lacking := _lacking(metric, questions):
                where = "" if name == EVERY_SET else f" to {name}"
                wrong.append(
                    f"The metric {metric} needs {lacking}, and no row{where} has any: leave it out, or add them."
                )
    if wrong:
        raise UserError("\n".join(wrong))


def _lacking(metric: str, questions: Sequence[Question]) -> str:
    """What a metric needs and not one question has, by the key that it has in rows; "" for nothing."""
    if metric == "paraphrase_probability":
        return "" if any(question.paraphrases for question in questions) else "a paraphrased_answer"
    compares = metric in _COMPARING or "log_ratio" in needs_of(metric)
    return "a perturbed_answer" if compares and not any(question.wrong for question in questions) else ""
