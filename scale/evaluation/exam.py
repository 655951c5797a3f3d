"""A model on its questions: what the metrics of all sets need is measured once, and each is taken of every question."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch

from scale.data.prompts import Writer, read
from scale.data.questions import EncodedQuestion, QuestionSet
from scale.evaluation.catalogue import METRICS, metric_of
from scale.evaluation.kept import KeptMeasures, ToAnswer, seen_by_set
from scale.evaluation.measurable import END, GENERATED, LOOKED, MEASURABLE
from scale.evaluation.metrics.rouge import said_of
from scale.evaluation.protocols import Protocol
from scale.evaluation.results import NOTHING, SetResult, arrays, finite, from_arrays
from scale.evaluation.scored import Scored, losses_of, scored_of
from scale.evaluation.scores import TOFU_WHOLE, Whole, over_set, scores
from scale.evaluation.values import column_of, measured
from scale.models.answering.drafts import SHOWN, ScoredTruth, drafts_of
from scale.models.answering.generation import Answer, Generation, answers_after
from scale.models.reading.seen import see
from scale.runtime.processes import Processes

__all__ = ["Exam", "SetResult", "about_rouge", "arrays", "examine", "finite", "from_arrays", "scores", "texts"]

TOKENS = 2048
"""Packed tokens of one forward pass on a CPU."""


class Exam(NamedTuple):
    """What a model is asked under a protocol: sets of questions, in token ids too; and what is made of all of them.

    Of a set whose metrics need no answer scored none is in token ids.
    """

    sets: Mapping[str, QuestionSet]
    encoded: Mapping[str, tuple[EncodedQuestion, ...]]
    protocol: Protocol
    writer: Writer
    whole: tuple[str | Whole, ...] = TOFU_WHOLE

    @classmethod
    def of(
        cls,
        asked: Mapping[str, QuestionSet],
        protocol: Protocol,
        writer: Writer,
        *,
        most: int | None = None,
        whole: tuple[str | Whole, ...] = TOFU_WHOLE,
    ) -> "Exam":
        """The first questions of each set, as many as the protocol asks, or `most` if that is fewer."""
        least = min(x for x in (protocol.questions, most, 10**9) if x is not None)
        writer = protocol.writer(writer._replace(tag_counts=protocol.tag_counts))
        sets = {
            name: replace(one.first(least), metrics={key: protocol.form(metric) for key, metric in one.metrics.items()})
            for name, one in asked.items()
            if one.questions
        }
        encoded = {
            name: tuple(question.encode(writer) for question in one.questions) if _scored(one) else ()
            for name, one in sets.items()
        }
        return cls(sets, encoded, protocol, writer, whole)

    def scores(
        self, found: Mapping[str, SetResult], retrained: Mapping[str, SetResult] | None = None
    ) -> dict[str, float | None]:
        """`scale.evaluation.scores.scores` of what was found in this examination."""
        asked = {name: one.metrics for name, one in self.sets.items()}
        return scores(found, self.protocol, retrained, asked=asked, whole=self.whole)


def _needs(one: QuestionSet) -> set[str]:
    return {need for name in one.metrics.values() for need in metric_of(name).needs}


def _scored(one: QuestionSet) -> bool:
    """Must the answers of this set be scored?"""
    return any(MEASURABLE[need].level != "question" for need in _needs(one))


def examine(
    scorer: torch.nn.Module,
    exam: Exam,
    processes: Processes,
    *,
    generate: bool = True,
    kept: KeptMeasures | None = None,
) -> dict[str, SetResult]:
    """Everything that is asked, of every set; what is `kept` of the model already is not measured again."""
    asked = _to_answer(exam) if generate else {}
    before = {name: kept.said(one) if kept else None for name, one in asked.items()}
    known = {name: answers for name, answers in before.items() if answers is not None}
    todo = {name: one for name, one in asked.items() if name not in known}
    scored = _read(scorer, exam, processes, drafted=bool(todo), kept=kept)
    said = known | _answers(scorer, exam, scored, todo, processes)
    if kept:
        for name, one in todo.items():
            kept.keep_said(one, said[name])
    return {name: _part(one, exam, scored.get(name, []), said.get(name, [])) for name, one in exam.sets.items()}


def _read(
    scorer: torch.nn.Module, exam: Exam, processes: Processes, *, drafted: bool, kept: KeptMeasures | None
) -> dict[str, list[Scored]]:
    """Every answer of every set scored at once, and what metrics and drafts need to know of the true ones' tokens."""
    encoded = {name: one for name, one in exam.encoded.items() if one}
    more = set(SHOWN) if drafted else set()
    looks = {name: {need.removesuffix(END) for need in _needs(exam.sets[name])} & LOOKED | more for name in encoded}
    every = tuple(sorted(set().union(*looks.values())))
    pad, room = exam.writer.pad, processes.room(TOKENS)
    sees = partial(see, scorer, pad=pad, processes=processes, tokens=room, looks=every)
    seen = seen_by_set(encoded, looks, kept, sees)
    ends = {exam.writer.end, *exam.writer.tokenizer.all_special_ids}
    return {name: list(scored_of(one, seen[name], ends)) for name, one in encoded.items()}


def _to_answer(exam: Exam) -> dict[str, ToAnswer]:
    """What is asked of each set whose metrics need the model's own answers."""
    found, ends = {}, (exam.writer.end, exam.writer.max_length)
    for name, one in exam.sets.items():
        if _needs(one) & GENERATED:
            how = exam.protocol.generation
            if one.new_tokens is not None:
                how = replace(how, max_length=one.new_tokens, prompt_counts=False)
            found[name] = ToAnswer(tuple(q.asked.opening(exam.writer) for q in one.questions), how, ends)
    return found


def _answers(
    scorer: torch.nn.Module,
    exam: Exam,
    scored: Mapping[str, Sequence[Scored]],
    asked: Mapping[str, ToAnswer],
    processes: Processes,
) -> dict[str, list[Answer]]:
    """The model's own answers to these sets; sets that are asked alike are asked together."""
    alike: dict[tuple[Generation, bool], list[str]] = {}
    for name, one in asked.items():
        alike.setdefault((one.how, name in scored), []).append(name)
    found: dict[str, list[Answer]] = {}
    for (how, drafted), names in alike.items():
        openings = [opening for name in names for opening in asked[name].openings]
        drafts, hints = list[tuple[int, ...]](), list[tuple[int, ...]]()
        if drafted and not how.sample:
            shown = [one for name in names for one in _truths(exam.encoded[name], scored[name])]
            drafts = drafts_of(scorer, openings, shown, processes)
            hints = [one.answer.ids[one.answer.first :] for one in shown]
        every = iter(answers_after(scorer, openings, exam.writer, processes, how, drafts, hints))
        found |= {name: [next(every) for _ in exam.sets[name].questions] for name in names}
    return found


def _truths(encoded: Sequence[EncodedQuestion], scored: Sequence[Scored]) -> list[ScoredTruth]:
    """The true answers of a set as they were scored; of a text in pieces the first."""
    found = []
    for question, one in zip(encoded, scored, strict=True):
        answer = question[0][0]
        predicted, lead = (one.of_tokens[name + END][: answer.targets].tolist() for name in SHOWN)
        found.append(ScoredTruth(answer, predicted, lead))
    return found


def _part(one: QuestionSet, exam: Exam, scored: Sequence[Scored], said: Sequence[Answer]) -> SetResult:
    losses, tokens = losses_of(one.questions, scored) if scored else (NOTHING, NOTHING)
    part = SetResult(losses, tokens, {}, tuple(answer.text for answer in said))
    given = measured(one.questions, scored, said)
    if said:
        given = [
            {**each, "truth": exam.protocol.truth(exam.writer, question)}
            for each, question in zip(given, one.questions, strict=True)
        ]
    if one.truth_tokens is not None:
        given = [{**each, "truth": _first_tokens(each["truth"], one.truth_tokens, exam.writer)} for each in given]
    values = {}
    for score, name in one.metrics.items():
        metric = metric_of(name)
        if not metric.of_a_set:
            values[score] = column_of(metric, given)
        elif name not in METRICS:  # the others are computed where they are averaged, under any protocol
            values[score] = over_set(metric, part, exam.protocol)
    return part._replace(values=values)


def _first_tokens(text: str, count: int, writer: Writer) -> str:
    """The words of a text's first tokens, such as a tokenizer sets before every text among them."""
    ids, _ = read(writer.tokenizer, text, special_tokens=True)
    tokenizer = writer.tokenizer
    return str(tokenizer.decode(ids[:count], skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()


def about_rouge(exam: Exam) -> dict[str, dict[str, str]]:
    """{"rouge": of which set it is not the usual ROUGE, in words}; empty where it is the usual one throughout."""
    said = {
        name: said_of(question.truth for question in one.questions)
        for name, one in exam.sets.items()
        if "rouge_latin" not in one.metrics.values()
    }
    found = {name: words for name, words in said.items() if words is not None}
    return {"rouge": found} if found else {}


def texts(found: Mapping[str, SetResult], exam: Exam, count: int) -> list[dict[str, str]]:
    """`count` questions of each set, spread over it, with the true answer and the model's."""
    listed = []
    for name, part in found.items():
        n = len(part.answers)
        for i in [j * n // min(count, n) for j in range(min(count, n))]:
            asked, said = exam.sets[name].questions[i], part.answers[i]
            listed.append({"set": name, "question": asked.asked.shown, "answer": asked.truth, "generated": said})
    return listed
