"""What was measured of a model, kept set by set: another metric that needs no more is taken without reading it again.

Of a set's answers the log-probabilities, and what was looked at of the true ones' tokens, in one file; what the model
answered in another. A file is named by a hash of all that it depends on: the model, the token ids of the set (and with
them rows, tokenizer and prompt format), how answers are made, and the code that reads and answers.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from records.errors import UserError
from records.files import write_json
from records.json_lines import read_json
from records.sources import source_hash
from records.store import content_hash
from scale.data.questions import EncodedQuestion
from scale.models.answering.drawn import Drawing, drawn
from scale.models.answering.generation import Answer, Generation, answers_after
from scale.models.reading.seen import Seen, see
from scale.runtime import tensor_files
from scale.runtime.processes import Processes

__all__ = ["KeptMeasures", "ToAnswer", "ToDraw", "seen_by_set"]

_LOGP = "logp"
Sees = Callable[[Sequence[EncodedQuestion]], Seen]


@dataclass(frozen=True)
class KeptMeasures:
    """A folder of what was measured of one model; `model` is a hash of all of it that counts."""

    folder: Path
    model: str
    processes: Processes

    def seen(self, encoded: Sequence[EncodedQuestion]) -> dict[str, Tensor]:
        """By name what is known of a set's answers; nothing where it was not read."""
        path = self._of_seen(encoded)
        if not self.processes.agreed(path.is_file):
            return {}
        try:
            return tensor_files.read(path)
        except (OSError, ValueError, SafetensorError) as error:
            raise UserError(f"{path} is damaged ({error}). Delete it; it will be measured again.") from None

    def keep_seen(self, encoded: Sequence[EncodedQuestion], tensors: Mapping[str, Tensor]) -> None:
        """Write what is known of a set; the first process does."""
        if self.processes.first:
            self.folder.mkdir(parents=True, exist_ok=True)
            tensor_files.write(self._of_seen(encoded), tensors)

    def said(self, asked: "ToAnswer") -> list[Answer] | None:
        """The model's answers to a set; None where they are not known."""
        path = self._of_said(asked)
        if not self.processes.agreed(path.is_file):
            return None
        return list(map(_answer, read_json(path, "Delete it; it will be measured again.")))

    def keep_said(self, asked: "ToAnswer", answers: Sequence[Answer]) -> None:
        """Write the answers to a set, but for those that were drawn: with other sets beside it they would be others."""
        if self.processes.first and not asked.how.sample:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self._of_said(asked), list(map(_as_json, answers)))

    def drawn(self, asked: "ToDraw") -> list[list[Answer]] | None:
        """The answers that were drawn to some questions; None where they are not known."""
        path = self._of_drawn(asked)
        if not self.processes.agreed(path.is_file):
            return None
        return [list(map(_answer, some)) for some in read_json(path, "Delete it; they will be drawn again.")]

    def keep_drawn(self, asked: "ToDraw", answers: Sequence[Sequence[Answer]]) -> None:
        """Write answers that owe nothing to the questions beside them (`scale.models.answering.drawn`)."""
        if self.processes.first:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(self._of_drawn(asked), [list(map(_as_json, some)) for some in answers])

    def _of_seen(self, encoded: Sequence[EncodedQuestion]) -> Path:
        rows = [[[(row.ids, row.first, row.unseen) for row in answer] for answer in question] for question in encoded]
        return self.folder / f"seen-{self._key(see, rows)}.safetensors"

    def _of_said(self, asked: "ToAnswer") -> Path:
        return self.folder / f"said-{self._key(answers_after, [asked.openings, asdict(asked.how), asked.ends])}.json"

    def _of_drawn(self, asked: "ToDraw") -> Path:
        return self.folder / f"drawn-{self._key(drawn, [asked.openings, asdict(asked.how), asked.ends])}.json"

    def _key(self, made_by: object, what: Any) -> str:
        return content_hash([self.model, self.processes.precision, source_hash(made_by), what])


@dataclass(frozen=True)
class ToAnswer:
    """What a set's answers come after, how they are made, and what ends them: end token, longest text."""

    openings: tuple[tuple[int, ...], ...]
    how: Generation
    ends: tuple[int, int]


@dataclass(frozen=True)
class ToDraw:
    """What a set's drawn answers, many to each question, come after, how they are drawn, and what ends them."""

    openings: tuple[tuple[int, ...], ...]
    how: Drawing
    ends: tuple[int, int]


def _answer(said: Sequence[Any]) -> Answer:
    text, repeats, ids = said
    return Answer(text, repeats, tuple(ids))


def _as_json(one: Answer) -> list[Any]:
    return [one.text, one.degenerate, list(one.ids)]


def seen_by_set(
    encoded: Mapping[str, Sequence[EncodedQuestion]],
    looks: Mapping[str, Collection[str]],
    kept: KeptMeasures | None,
    sees: Sees,
) -> dict[str, Seen]:
    """Every set as `sees` sees it, with what has to be looked at of each.

    Sets of which not all is kept are seen together; what was kept stays as it was found first.
    """
    known = {name: kept.seen(one) if kept else {} for name, one in encoded.items()}
    todo = [name for name in encoded if not {_LOGP, "token_logp", *looks[name]} <= known[name].keys()]
    if todo:
        fresh = _parted({name: encoded[name] for name in todo}, sees([q for name in todo for q in encoded[name]]))
        for name in todo:
            known[name] = {**fresh[name], **known[name]}
            if kept:
                kept.keep_seen(encoded[name], known[name])
    return {name: _whole(one, known[name]) for name, one in encoded.items()}


def _whole(encoded: Sequence[EncodedQuestion], tensors: Mapping[str, Tensor]) -> Seen:
    count = [row.targets for question in encoded for answer in question for row in answer]
    looks = {name: tensor for name, tensor in tensors.items() if name != _LOGP}
    return Seen(tensors[_LOGP], torch.tensor(count), looks)


def _parted(encoded: Mapping[str, Sequence[EncodedQuestion]], seen: Seen) -> dict[str, dict[str, Tensor]]:
    """What was seen of several sets, each by itself."""
    pieces = [sum(len(answer) for question in one for answer in question) for one in encoded.values()]
    tokens = [sum(row.targets for question in one for row in question[0]) for one in encoded.values()]
    logp = dict(zip(encoded, seen.logp.split(pieces), strict=True))
    looks = {name: dict(zip(encoded, x.split(tokens), strict=True)) for name, x in seen.looks.items()}
    return {name: {_LOGP: logp[name], **{look: by[name] for look, by in looks.items()}} for name in encoded}
