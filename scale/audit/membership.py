"""Can it be told from its losses what a model was trained on? Rows to forget against rows that no model has seen.

    auc_loss             mean NLL, the end token included
    auc_zlib             that over the length of the compressed answer
    auc_min_k            of the least likely tokens alone
    auc_min_k_plus_plus  of the least likely as measured by how the vocabulary's log-probabilities spread
    auc_reference        NLL less that of another model: of `ModelsBeside.reference`, else of the finetuned one
    auc_gradient_norm    how long the gradient of the NLL is

Each is an AUC: 1 where every row to forget has the smaller score. It has no right value of its own, 1/2 neither: rows
held out may be harder than those to forget for a model that has seen none of them, the retrained one.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scale.audit.asked import AskedSets
from scale.audit.gradients import gradient_norms
from scale.audit.items import Items
from scale.audit.reading import read_set
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.data.questions import Question
from scale.evaluation.metrics import membership as metrics
from scale.evaluation.scored import Scored

__all__ = ["ATTACKS", "membership"]


def _plus_plus(tokens: Mapping[str, np.ndarray], k: float) -> float:
    return metrics.min_k_plus_plus(tokens["token_logp"], tokens["mean_logp"], tokens["variance"], k)


ATTACKS: Mapping[str, Callable[[Question, Scored, float], float]] = {
    "loss": lambda question, scored, k: float(scored.loss[0]),
    "zlib": lambda question, scored, k: metrics.zlib(float(scored.loss[0]), question.truth),
    "min_k": lambda question, scored, k: metrics.min_k(scored.of_tokens["token_logp"], k),
    "min_k_plus_plus": lambda question, scored, k: _plus_plus(scored.of_tokens, k),
}
"""A question's score in each attack that one reading is enough for; k is the share of tokens."""


def membership(
    subject: AuditSubject, asked: AskedSets, settings: AuditSettings, beside: ModelsBeside
) -> dict[str, Items]:
    """The scores above; none where no rows are held out."""
    if asked.holdout is None or not asked.holdout.questions:
        return {}
    sets = (asked.forget.questions, tuple(map(_bare, asked.holdout.questions)))
    read = [read_set(subject, questions) for questions in sets]
    found = {
        f"auc_{name}": Items(*(_column(score, *pair, settings.min_k) for pair in zip(sets, read, strict=True)))
        for name, score in ATTACKS.items()
    }
    reference = beside.reference or beside.finetuned
    if reference is not None:
        columns = [_excess(mine, read_set(reference, those)) for mine, those in zip(read, sets, strict=True)]
        found["auc_reference"] = Items(*columns)
    if settings.gradients:
        found["auc_gradient_norm"] = Items(*(_norms(subject, questions, settings.gradients) for questions in sets))
    return found


def _bare(question: Question) -> Question:
    """With its true answer alone: nothing else of rows held out is read."""
    return Question(question.prompt, (question.truth,))


def _column(
    score: Callable[[Question, Scored, float], float], questions: Sequence[Question], read: Sequence[Scored], k: float
) -> np.ndarray:
    return np.array([score(question, one, k) for question, one in zip(questions, read, strict=True)])


def _excess(read: Sequence[Scored], reference: Sequence[Scored]) -> np.ndarray:
    return np.array(
        [metrics.reference(*(float(x.loss[0]) for x in pair)) for pair in zip(read, reference, strict=True)]
    )


def _norms(subject: AuditSubject, questions: Sequence[Question], most: int) -> np.ndarray:
    """Of so many questions spread over the set; NaN for the others."""
    n = len(questions)
    chosen = [i * n // min(n, most) for i in range(min(n, most))]
    found = np.full(n, np.nan)
    found[chosen] = gradient_norms(subject, [questions[i] for i in chosen])
    return found
