"""One's own rows: a file of what is to be forgotten and perhaps one of what is to be kept, out of a model as it is.

There is no model that never saw them, so what needs one is not measured but named (`scale.tasks.rows_told.UNKNOWN`).
Every piece of a document counts as a question of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from records.errors import UserError, together
from records.paths import user_path
from scale.data.idk import IDK_ANSWERS
from scale.data.prompts import Encoded, Writer
from scale.data.questions import Question, QuestionSet, asks
from scale.data.row import Learnable
from scale.data.row_shapes import SHAPES, check_shape
from scale.data.user_rows import UserFile, read_user_rows
from scale.data.user_sets import about, encoded, refuse_common, refuse_equal
from scale.evaluation.exam import Exam
from scale.evaluation.protocols import Protocol
from scale.evaluation.results import SetResult, finite
from scale.tasks.corpus import Corpus, RowsRead
from scale.tasks.rows_told import told
from scale.tasks.task import Task, TaskSettings

__all__ = ["ROWS", "RowsSettings", "of_files"]

SHOWN = 5
"""Rows of a set whose answers are shown, before and after."""


class RowsSettings(TaskSettings):
    """The files of one's own rows (`scale.data.user_rows`)."""

    kind: str = "rows"
    forget: str = Field(description="the file of the rows to forget")
    retain: str | None = Field(None, description="and that of the rows to keep")
    format: str | None = Field(None, description=f"{', '.join(SHAPES)}; default: by the keys of the rows")

    @field_validator("format")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            check_shape(name)
        except UserError as error:
            raise ValueError(str(error)) from None
        return name

    @property
    def files(self) -> tuple[str, ...]:
        """Both files."""
        return (self.forget, *([self.retain] if self.retain else ()))


def corpus(settings: RowsSettings) -> Corpus:
    """The rows of both files; UserError with every line of either that can't be used."""
    places = {"forget": settings.forget} | ({"retain": settings.retain} if settings.retain else {})
    found = together(*(partial(_read, name, place, settings.format) for name, place in places.items()))
    return of_files(dict(zip(places, found, strict=True)))


def _read(name: str, place: str, shape: str | None) -> UserFile:
    return read_user_rows(user_path(place, f"data.{name}"), shape)


def of_files(files: Mapping[str, UserFile]) -> Corpus:
    """The rows of files that are read already; UserError where a row is in both."""
    if "retain" in files:
        refuse_common(files["forget"], files["retain"])
    rows = {name: file.rows for name, file in files.items()}
    asked = {name: QuestionSet(tuple(row.asked for row in some), _metrics(name, some)) for name, some in rows.items()}
    shown = {name: some[:SHOWN] for name, some in rows.items()}
    lost, kept = rows["forget"], rows.get("retain", ())
    return Corpus(lost, kept, asked, IDK_ANSWERS, "rows of one's own", shown=shown, look=partial(_look, files))


def _metrics(name: str, rows: Sequence[Learnable]) -> dict[str, str]:
    """What is taken of a set: probability, and the truth ratio where rows have wrong answers."""
    ratio = "forget_truth_ratio" if name == "forget" else "retain_truth_ratio"
    return asks("probability") | ({"truth_ratio": ratio} if any(row.asked.wrong for row in rows) else {})


# --- in the tokens of a model -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DocumentPiece:
    """A part of a document that is read at once."""

    shown: str
    ids: Encoded

    def encode(self, writer: Writer, answer: str) -> tuple[Encoded, ...]:
        """It, in token ids already."""
        del writer, answer
        return (self.ids,)

    def opening(self, writer: Writer) -> tuple[int, ...]:
        """Its first half."""
        del writer
        return self.ids.ids[: max(1, len(self.ids.ids) // 2)]


def _look(files: Mapping[str, UserFile], asked: Mapping[str, QuestionSet], writer: Writer) -> RowsRead:
    """Both files in token ids; UserError with every line that a model can't read, or that is in both."""
    found = {name: encoded(file, writer) for name, file in files.items()}
    refuse_equal(files, found)
    sets = {name: replace(one, questions=_in_pieces(one.questions, found[name])) for name, one in asked.items()}
    return RowsRead(sets, {name: about(file, found[name]) for name, file in files.items()}, writer.max_length)


def _in_pieces(questions: Sequence[Question], pieces: Sequence[tuple[Encoded, ...]]) -> tuple[Question, ...]:
    """One question for each piece of a long document; all others as they are."""
    found: list[Question] = []
    for question, several in zip(questions, pieces, strict=True):
        cut = (Question(DocumentPiece(question.asked.shown, one), (question.truth,)) for one in several)
        found += [question] if len(several) == 1 else cut
    return tuple(found)


# --- scores -----------------------------------------------------------------------------------------------------


def rows_scores(
    values: Mapping[str, float],
    found: Mapping[str, SetResult],
    retrained: Mapping[str, SetResult] | None,
    protocol: Protocol,
) -> dict[str, float]:
    """NLL (nats a token) and perplexity of each set."""
    del values, retrained, protocol
    scores: dict[str, float] = {}
    for name, part in found.items():
        nll = part.losses.answer
        if nll.size:
            tokens = part.tokens.answer
            mean = float((nll * tokens).sum() / tokens.sum())
            scores |= {f"{name}_nll": mean, f"{name}_perplexity": float(np.exp(min(mean, 700.0)))}
    return scores


def rows_log(found: Mapping[str, SetResult], exam: Exam) -> dict[str, Any]:
    """NLL (nats a token) and tokens of every piece of every set; null where one is not finite."""
    del exam
    return {
        name: {"nll": [finite(x) for x in part.losses.answer], "tokens": part.tokens.answer.tolist()}
        for name, part in found.items()
    }


ROWS = Task(
    name="rows",
    about="rows of one's own, out of a model as it is",
    settings=RowsSettings,
    corpus=corpus,
    whole=(rows_scores, "forget_quality"),
    log=rows_log,
    told=told,
    protocol="all-questions",
)
