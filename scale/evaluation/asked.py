"""What is asked of a model, as values: sets of questions, each with the metrics that are taken of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from records.errors import UserError
from scale.data.questions import Question
from scale.data.tofu import Row, Sets
from scale.evaluation.catalogue import label_of
from scale.models.generation import Generation

__all__ = ["ANSWERED", "TOFU_METRICS", "QuestionSet", "asks", "question_of_row", "tofu_sets", "with_metrics"]


def asks(*same: str, **named: str) -> dict[str, str]:
    """Metrics by the name of their scores: of one name where that is the metric's.

    >>> asks("rouge", probability="probability_among")
    {'rouge': 'rouge', 'probability': 'probability_among'}
    """
    return {label_of(name): name for name in same} | named


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


@dataclass(frozen=True)
class QuestionSet:
    """Questions, and what is taken of each: the name of a score (after the set's) and the metric that it is.

    A metric is left out where it can't be had: a truth ratio without wrong answers, ROUGE where nothing is generated.
    `generation` is how answers are generated where it is not as the protocol has it; `truth_tokens` that texts are
    compared with so many first tokens of the true answer, those included that the tokenizer puts before a text.
    """

    questions: tuple[Question, ...]
    metrics: Mapping[str, str]
    generation: Generation | None = None
    truth_tokens: int | None = None

    def first(self, count: int) -> "QuestionSet":
        """The first questions alone."""
        return replace(self, questions=self.questions[:count])


def question_of_row(row: Row) -> Question:
    """A row of TOFU: its answer, the paraphrase, the perturbed answers; without these, the answer alone."""
    if not row.perturbed_answer:
        return Question(row.question, (row.answer,))
    return Question(row.question, (row.answer, row.paraphrased_answer, *row.perturbed_answer), paraphrases=1)


def tofu_sets(asked: Sets) -> dict[str, QuestionSet]:
    """TOFU's sets that are not empty."""
    return {
        name: QuestionSet(tuple(question_of_row(row) for row in rows), TOFU_METRICS[name])
        for name, rows in asked._asdict().items()
        if rows
    }


def with_metrics(sets: Mapping[str, QuestionSet], more: Mapping[str, Iterable[str]]) -> dict[str, QuestionSet]:
    """The sets with further metrics, by the name of a set; those under "" are taken of all.

    UserError where there is no such set, or two metrics of a set would share a name.
    """
    if unknown := [name for name in more if name and name not in sets]:
        raise UserError(f"evaluate.metrics: there is no set {', '.join(unknown)}; there are {', '.join(sets)}.")
    found = {}
    for name, one in sets.items():
        metrics = dict(one.metrics)
        for metric in (*more.get("", ()), *more.get(name, ())):
            if metrics.setdefault(label_of(metric), metric) != metric:
                raise UserError(
                    f"evaluate.metrics: {metric} and {metrics[label_of(metric)]} would both be "
                    f"{name}_{label_of(metric)}: give the function another name."
                )
        found[name] = replace(one, metrics=metrics)
    return found
