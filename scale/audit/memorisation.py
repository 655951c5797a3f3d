"""How much of the answers a model has by heart: from one reading of rows to forget and, where given, to retain.

    extraction_strength           1 − k*/n, all tokens from k* on the likeliest; 0 possible
    extraction_strength_floored   open-unlearning's form of it, at least 1/n
    exact_memorization            share of tokens that are the likeliest
    probability                   exp(−NLL) of the answer, a token, its end token included
    paraphrase_probability        of the answer in other words
    truth_ratio_closer_to_1       min(R, 1/R)        R: wrong answers over the paraphrase, in the protocol's form
    truth_ratio_true_better       max(0, 1 − R)
    truth_ratio_prob_mean         1/(1 + R)

Source: arXiv:2506.12618, Sec. 4; the metrics are those of `scale.evaluation.catalogue`.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from scale.audit.asked import AskedSets
from scale.audit.items import Items
from scale.audit.reading import read_set
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.data.questions import Question
from scale.evaluation.catalogue import Metric, metric_of
from scale.evaluation.protocols import Protocol, protocol_of
from scale.evaluation.results import SetResult
from scale.evaluation.scored import Scored, losses_of
from scale.evaluation.scores import over_set
from scale.evaluation.values import column_of, measured

__all__ = ["FORGET_METRICS", "RETAIN_METRICS", "memorisation"]

_BY_HEART = {name: name for name in ("extraction_strength", "exact_memorization", "probability")}
FORGET_METRICS: Mapping[str, str] = {
    "extraction_strength": "extraction_strength",
    "extraction_strength_floored": "extraction_strength_floored",
    **_BY_HEART,
    "paraphrase_probability": "paraphrase_probability",
    "truth_ratio_closer_to_1": "forget_truth_ratio",
    "truth_ratio_true_better": "retain_truth_ratio",
    "truth_ratio_prob_mean": "truth_share",
}
"""Scores of rows to forget, and the metric of each."""
RETAIN_METRICS: Mapping[str, str] = {**_BY_HEART, "truth_ratio": "retain_truth_ratio"}
"""Those of rows to retain, whose scores begin with `retain_`."""


def memorisation(
    subject: AuditSubject, asked: AskedSets, settings: AuditSettings, beside: ModelsBeside
) -> dict[str, Items]:
    """The scores above; of rows without paraphrase or wrong answers without those that need them."""
    del beside
    protocol = protocol_of(settings.protocol)
    found = _of_set(subject, asked.forget.questions, FORGET_METRICS, protocol)
    if asked.retain is not None:
        kept = _of_set(subject, asked.retain.questions, RETAIN_METRICS, protocol)
        found |= {f"retain_{name}": items for name, items in kept.items()}
    return found


def _of_set(
    subject: AuditSubject, questions: Sequence[Question], metrics: Mapping[str, str], protocol: Protocol
) -> dict[str, Items]:
    scored = read_set(subject, questions)
    columns = {
        score: _column(metric_of(protocol.form(name)), questions, scored, protocol) for score, name in metrics.items()
    }
    return {score: Items(column) for score, column in columns.items() if not np.isnan(column).all()}


def _column(metric: Metric, questions: Sequence[Question], scored: Sequence[Scored], protocol: Protocol) -> np.ndarray:
    """A metric of every question, (n,); NaN where a question has not what it needs."""
    if not metric.of_a_set:
        return column_of(metric, measured(questions, scored, []))
    found = np.full(len(questions), np.nan)
    chosen = [i for i, question in enumerate(questions) if _has(metric, question)]
    if chosen:
        losses = losses_of([questions[i] for i in chosen], [scored[i] for i in chosen])
        found[chosen] = over_set(metric, SetResult(*losses, {}), protocol)
    return found


def _has(metric: Metric, question: Question) -> bool:
    """Has a question the wrong answers, or the paraphrase, that a metric needs?"""
    if metric.name == "paraphrase_probability":
        return question.paraphrases > 0
    compares = "log_ratio" in metric.needs or metric.name == "truth_share_guarded"
    return bool(question.wrong) or not compares
