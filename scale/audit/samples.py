"""Many answers drawn to every question: what a greedy answer hides may come out in one of them.

    leak_greedy          does the greedy answer give it away (`scale.audit.leaks`)?
    leak_at_k            the chance that one of k drawn answers does
    leak_bound           an upper bound of an answer's chance to, sure to 1 − α for each question
    drawn_rouge          ROUGE-L recall of the drawn answers, their mean
    drawn_rouge_bound    an upper bound of its expectation, sure to 1 − α for each question
    drawn_degenerate     share of answers that say nothing but the same again and again, and leak nothing
    drawn_refused        share of answers that decline, are not degenerate and leak nothing
    fluency              probability that the greedy answer is clean text (`scale.audit.fluency`), where a classifier
                         is named

Sources: arXiv:2511.04934 (leak@k), arXiv:2410.03523 (bounds).
"""

from collections.abc import Sequence

import numpy as np

from scale.audit.answers import drawn_answers, greedy_answers
from scale.audit.asked import AskedSets, Entity
from scale.audit.fluency import fluency
from scale.audit.items import Items
from scale.audit.leaks import gives_away
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.data.questions import Question
from scale.evaluation.metrics.rouge import rouge
from scale.evaluation.metrics.sampling import largest_mean, largest_probability, leak_at_k, outcomes, refuses
from scale.models.answering.drawn import Drawing
from scale.models.answering.generation import Answer

__all__ = ["drawing_of", "sampling"]


def sampling(
    subject: AuditSubject, asked: AskedSets, settings: AuditSettings, beside: ModelsBeside
) -> dict[str, Items]:
    """The scores above, of the questions to forget; seeded, and of two models with the same chances."""
    del beside
    greedy = greedy_answers(subject, asked.forget.questions, settings.new_tokens)
    answers = drawn_answers(subject, asked.forget.questions, drawing_of(settings))
    both = list(zip(asked.forget.questions, asked.entity_of, strict=True))
    said = [gives_away(*one, [answer.text], settings.rouge)[0] for one, answer in zip(both, greedy, strict=True)]
    counted = [_of_question(*one, some, settings) for one, some in zip(both, answers, strict=True)]
    found = {"leak_greedy": Items(np.array(said, dtype=float))}
    found |= {name: Items(np.array([one[name] for one in counted])) for name in counted[0]}
    if settings.fluency is not None:
        texts = [answer.text for answer in greedy]
        found["fluency"] = Items(fluency(settings.fluency, texts, subject.processes.accelerator.device))
    return found


def drawing_of(settings: AuditSettings) -> Drawing:
    """How the settings have answers drawn."""
    return Drawing(settings.answers, settings.temperature, settings.top_p, settings.seed, settings.new_tokens)


def _of_question(
    question: Question, entity: Entity | None, answers: Sequence[Answer], settings: AuditSettings
) -> dict[str, float]:
    texts, n = [answer.text for answer in answers], len(answers)
    leaks = gives_away(question, entity, texts, settings.rouge)
    shares = outcomes(leaks, [answer.degenerate for answer in answers], [refuses(text) for text in texts])
    recall = [rouge(question.truth, text) for text in texts]
    of_k = {f"leak_at_{k}": float(leak_at_k(n, [sum(leaks)], k)[0]) for k in settings.ks if k <= n}
    return of_k | {
        "leak_bound": largest_probability(sum(leaks), n, settings.alpha),
        "drawn_rouge": float(np.mean(recall)),
        "drawn_rouge_bound": largest_mean(recall, settings.alpha),
        "drawn_degenerate": shares.degenerate,
        "drawn_refused": shares.refused,
    }
