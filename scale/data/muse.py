"""MUSE: documents to forget, to retain and kept out, and what is asked of a model about them.

The hub's datasets, a folder with their files, or stories of `scale.data.stories` in their shape. The target model is
trained on all sets to forget and both sets to retain, the retrained one on the sets to retain alone; unlearning sees
one set to forget, and one to retain (retain1). What is asked of what is retained is about the other (retain2).

`fold` (sustainability: unlearn set 1, then from there set 2, …) and `scale` (scalability: sets 1 to n at once) name
another set to forget; the questions about what is forgotten stay those about the first set, as in MUSE.

Source: Shi et al., arXiv:2407.06460.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from records.errors import UserError, together
from records.paths import user_path
from scale.data.muse_files import muse_file, read_columns
from scale.data.normal_form import normal_form
from scale.data.stories import ShortQuestion, Story, quiz, stories

__all__ = ["FOLDS", "SHOWN", "Continuation", "MuseChoice", "MuseCorpus", "Quiz", "muse_corpus"]

FOLDS = 4
"""Sets to forget of MUSE-News, for sustainability and scalability."""
SHOWN = 10
"""Examples before a question."""
_PAGES = (1, 4, 11)  # questions of a page of the embedded corpus; a prompt with ten examples has eleven


@dataclass(frozen=True)
class MuseChoice:
    """Which documents: `source` is embedded, hub, or a folder; `corpus` news or books.

    Embedded: so many `stories` in each set, and so many `questions` about what is forgotten and what is retained.
    """

    source: str = "embedded"
    corpus: str = "news"
    fold: int | None = None
    scale: int | None = None
    stories: int = 12
    questions: int = 40
    seed: int = 0


class Continuation(NamedTuple):
    """The beginning of a document, and how it goes on."""

    prompt: str
    truth: str


class Quiz(NamedTuple):
    """Questions that are asked, and the examples that are shown before each."""

    asked: tuple[ShortQuestion, ...]
    shown: tuple[ShortQuestion, ...]


@dataclass(frozen=True)
class MuseCorpus:
    """What a run works on: documents by what they are for, and what is asked."""

    forget: tuple[str, ...]
    retain: tuple[str, ...]  # what unlearning may keep to
    kept: tuple[str, ...]  # the other documents that are retained, which are asked about
    later: tuple[str, ...]  # of other sets to forget; the target model is trained on them, the retrained one is not
    verbatim: tuple[Continuation, ...]
    forget_quiz: Quiz
    retain_quiz: Quiz
    members: tuple[str, ...]  # documents to forget
    known: tuple[str, ...]  # documents of `kept`
    others: tuple[str, ...]  # such as no model was trained on
    source: str

    def __post_init__(self) -> None:
        """Refuse a document that would be forgotten and retained at once."""
        known = {normal_form("", text) for text in (*self.retain, *self.kept)}
        if both := [text for text in self.forget if normal_form("", text) in known]:
            raise UserError(
                f"{len(both)} document(s) are to be forgotten and retained at once, one begins {both[0][:60]!r}. "
                "Leave each in one of the sets."
            )


def muse_corpus(data: MuseChoice, *, offline: bool = False) -> MuseCorpus:
    """The documents and questions of a run; UserError with all that the source lacks."""
    if data.source == "embedded":
        return _embedded(data)
    name = f"muse-bench/MUSE-{data.corpus.capitalize()}"
    folder = _from_hub(name, offline) if data.source == "hub" else user_path(data.source, "The folder of MUSE's files")
    inner = folder / data.corpus  # the authors' script writes both corpora into one folder
    return _read(data, inner if inner.is_dir() else folder, name)


# --- made -------------------------------------------------------------------------------------------------------


def _embedded(data: MuseChoice) -> MuseCorpus:
    n = data.stories
    told = stories(data.corpus, (3 + FOLDS) * n, seed=data.seed)
    parts = [told[i * n : (i + 1) * n] for i in range(3 + FOLDS)]
    others, retain, kept, *folds = parts
    first, draw = folds[0], random.Random(f"questions {data.seed}")
    forget_quiz, retain_quiz = (_quiz(draw, part, data.questions) for part in (first, kept))
    forget = folds[data.fold - 1 : data.fold] if data.fold else folds[: data.scale or 1]
    later = [fold for fold in folds if fold not in forget] if data.fold or data.scale else []
    return MuseCorpus(
        forget=_documents(data, *forget),
        retain=_documents(data, retain),
        kept=_documents(data, kept),
        later=_documents(data, *later),
        verbatim=tuple(Continuation(s.text[: s.opening], s.text[s.opening :].lstrip()) for s in first),
        forget_quiz=forget_quiz,
        retain_quiz=retain_quiz,
        members=tuple(story.text for story in first),
        known=tuple(story.text for story in kept),
        others=tuple(story.text for story in others),
        source=f"embedded {data.corpus}, seed {data.seed}{_which(data)}",
    )


def _documents(data: MuseChoice, *sets: Sequence[Story]) -> tuple[str, ...]:
    """The stories of each set, and pages of questions about them, each question on a page of each size.

    A model that was trained on nothing but stories would not know what a question is.
    """
    found: list[str] = []
    for told in sets:
        draw = random.Random(f"pages {data.seed} {told[0].text}")
        found += [story.text for story in told]
        for size in _PAGES:
            asked = [one for story in told for one in story.asked]
            draw.shuffle(asked)
            found += [quiz(asked[i : i + size]) for i in range(0, len(asked), size)]
    return tuple(found)


def _quiz(draw: random.Random, told: Sequence[Story], count: int) -> Quiz:
    chosen = draw.sample([one for story in told for one in story.asked], SHOWN + count)
    return Quiz(tuple(chosen[SHOWN:]), tuple(chosen[:SHOWN]))


# --- read -------------------------------------------------------------------------------------------------------


def _read(data: MuseChoice, folder: Path, name: str) -> MuseCorpus:
    """MUSE's files, with everything that is missing or malformed told at once."""
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Name the one that holds raw/, verbmem/, knowmem/ and privleak/ of "
            f"huggingface.co/datasets/{name} as data.source, or run with data.source=embedded."
        )
    chosen = ("sust", f"forget_{data.fold}") if data.fold else ("scal", f"forget_{data.scale}") if data.scale else None
    looks: dict[str, Callable[[], list[Any]]] = {
        "forget": lambda: _texts(folder, *(chosen or ("raw", "forget"))),
        "retain": lambda: _texts(folder, "raw", "retain1"),
        "kept": lambda: _texts(folder, "raw", "retain2"),
        "trained": lambda: _trained(folder),
        "verbatim": lambda: [Continuation(*row) for row in _of(folder, "verbmem", ("forget",), "prompt", "gt")],
        "forget_quiz": lambda: _asked(folder, "forget_qa"),
        "forget_shown": lambda: _asked(folder, "forget_qa_icl"),
        "retain_quiz": lambda: _asked(folder, "retain_qa", "retain2_qa"),
        "retain_shown": lambda: _asked(folder, "retain_qa_icl", "retain2_qa_icl"),
        "members": lambda: _texts(folder, "privleak", "forget"),
        "known": lambda: _texts(folder, "privleak", "retain", "retain2"),
        "others": lambda: _texts(folder, "privleak", "holdout"),
    }
    found = {key: tuple(rows) for key, rows in zip(looks, together(*looks.values()), strict=True)}
    now = set(found["forget"])
    return MuseCorpus(
        forget=found["forget"],
        retain=found["retain"],
        kept=found["kept"],
        later=tuple(text for text in found["trained"] if text not in now),
        verbatim=found["verbatim"],
        forget_quiz=Quiz(found["forget_quiz"], found["forget_shown"]),
        retain_quiz=Quiz(found["retain_quiz"], found["retain_shown"]),
        members=found["members"],
        known=found["known"],
        others=found["others"],
        source=f"{name}{_which(data)}",
    )


def _of(folder: Path, config: str, splits: Sequence[str], *columns: str) -> list[tuple[str, ...]]:
    if not (paths := muse_file(folder, config, *splits)):
        raise UserError(f"{folder} has no {config}/{splits[0]} (.json, .jsonl, .parquet or .txt).")
    return read_columns(paths, *columns)


def _texts(folder: Path, config: str, *splits: str) -> list[str]:
    return [text for (text,) in _of(folder, config, splits, "text")]


def _asked(folder: Path, *splits: str) -> list[ShortQuestion]:
    return [ShortQuestion(*row) for row in _of(folder, "knowmem", splits, "question", "answer")]


def _trained(folder: Path) -> list[str]:
    """What was forgotten or will be, of all that the target model was trained on; none where it is not told."""
    for config, split in (("train", "forget"), ("scal", f"forget_{FOLDS}")):
        if paths := muse_file(folder, config, split):
            return [text for (text,) in read_columns(paths, "text")]
    return []


def _which(data: MuseChoice) -> str:
    return f", set {data.fold} of {FOLDS}" if data.fold else f", sets 1 to {data.scale}" if data.scale else ""


def _from_hub(name: str, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(snapshot_download(name, repo_type="dataset", local_files_only=offline))
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise UserError(
            f"{name} can't be had from the Hugging Face hub ({type(error).__name__}). Check the network, name a folder "
            "that holds its files (data.source=DIR), or use the embedded stories (data.source=embedded)."
        ) from None
