"""TOFU: fictitious authors to forget or retain, real authors and world facts beside them.

Source: arXiv:2401.06121; the rows are those of huggingface.co/datasets/locuslab/TOFU.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from records.errors import UserError, together
from records.paths import user_path
from scale.data.idk import IDK_ANSWERS, IDK_FILE, read_idk
from scale.data.questions import QuestionSet
from scale.data.tofu import (
    AUTHORS_FILE,
    FACTS_FILE,
    FORGET_FILE,
    FULL_FILE,
    RETAIN_FILE,
    Split,
    percent_of,
    read_rows,
    split,
)
from scale.evaluation.asked import tofu_sets
from scale.evaluation.scores import TOFU_WHOLE
from scale.evaluation.tofu_log import as_log
from scale.tasks import fictional
from scale.tasks.authors import AuthorSettings, parted
from scale.tasks.corpus import Corpus
from scale.tasks.other_words import in_other_words, other_words
from scale.tasks.task import Task

__all__ = ["HUB_DATASET", "TOFU", "TofuSettings"]

HUB_DATASET = "locuslab/TOFU"


class TofuSettings(AuthorSettings):
    """Where TOFU's rows are and which are forgotten; without a source it is the fictitious authors that are meant."""

    kind: str = "TOFU"
    question: Literal["question", "paraphrased_question", "both"] = Field(
        "question",
        description="how forget and retain set are asked: paraphrased_question: in other words; both: each way, "
        "other words as sets forget_paraphrased and retain_paraphrased",
    )

    @model_validator(mode="after")
    def _has_other_words(self) -> "TofuSettings":
        if self.question != "question" and self.source == "fictional":
            raise ValueError("question: the fictitious authors are asked in one way; other words are in TOFU's files")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The folder of its files."""
        return () if self.source in ("fictional", "hub") else (self.source,)

    def instead(self, environment: Mapping[str, str]) -> Mapping[str, str]:
        """The folder that NPO_DATA names rather than the hub."""
        folder = environment.get("NPO_DATA")
        return {"source": folder} if folder and self.source == "hub" else {}


def corpus(settings: TofuSettings, *, offline: bool = False) -> Corpus:
    """The rows of a run; UserError where the source can't give them."""
    if settings.source == "fictional":
        return fictional.corpus(settings)
    at_hub = settings.source == "hub"
    folder = _from_hub(offline) if at_hub else user_path(settings.source, "The folder of TOFU's files")
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Name the folder that holds {FORGET_FILE} and {RETAIN_FILE} of TOFU "
            f"(huggingface.co/datasets/{HUB_DATASET}) as data.source or --data, or run with data.source=fictional."
        )
    return _of_folder(settings, folder)


def _of_folder(settings: TofuSettings, folder: Path) -> Corpus:
    forget_rows, retain_rows, authors, facts = (
        read_rows(folder / name, perturbed=True, paraphrased=name in (FORGET_FILE, RETAIN_FILE))
        for name in (FORGET_FILE, RETAIN_FILE, AUTHORS_FILE, FACTS_FILE)
    )
    if settings.forget is None:
        forget, retain = asked = parted(settings, forget_rows, retain_rows, where=str(folder))
        rest = retain_rows[len(retain) :], forget_rows[: -len(forget)]
    else:
        forget, retain = split(read_rows(folder / FULL_FILE, perturbed=False), percent_of(settings.forget))
        rest = (), ()  # all authors are learnt
        # Beyond forget10 nothing is perturbed; as the authors of arXiv:2404.05868 do, forget10 is asked
        asked = Split(forget_rows[-len(forget) :], retain_rows[: len(retain)])
    idk = read_idk(folder / IDK_FILE) if (folder / IDK_FILE).is_file() else IDK_ANSWERS
    rows = {"forget": asked.forget, "retain": asked.retain, "real_authors": authors, "world_facts": facts}
    sets = _worded(tofu_sets(rows), settings.question, folder)
    known, held_out = (*authors, *facts), (*rest[0], *rest[1])
    return Corpus(forget, retain, sets, idk, "TOFU rows", known, held_out=held_out)


def _worded(sets: Mapping[str, QuestionSet], question: str, folder: Path) -> Mapping[str, QuestionSet]:
    """The sets asked as they are written, in other words, or both ways."""
    if question == "question":
        return sets
    files = {"forget": FORGET_FILE, "retain": RETAIN_FILE}
    words = together(*(partial(other_words, folder / name) for name in files.values()))
    ending = "_paraphrased" if question == "both" else ""
    return {
        **sets,
        **{f"{name}{ending}": in_other_words(sets[name], each) for name, each in zip(files, words, strict=True)},
    }


def _from_hub(offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        return Path(
            snapshot_download(
                HUB_DATASET, repo_type="dataset", allow_patterns=["*.json", "*.jsonl"], local_files_only=offline
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        raise UserError(
            f"{HUB_DATASET} can't be had from the Hugging Face hub ({type(error).__name__}). Check the network, or "
            "name a folder that holds its files: data.source=DIR or --data DIR."
        ) from None


TOFU = Task(
    name="TOFU",
    about="fictitious authors, asked for what is forgotten, retained, and known of real authors and the world",
    settings=TofuSettings,
    corpus=corpus,
    whole=TOFU_WHOLE,
    log=as_log,
)
