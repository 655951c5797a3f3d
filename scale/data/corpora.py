"""From what a recipe says of its data to a `Corpus`: TOFU from the hub or a folder, or the embedded generator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from records.errors import UserError
from records.paths import user_path
from records.settings import Seed
from scale.data import fictional, general
from scale.data.idk import IDK_ANSWERS, IDK_FILE, read_idk
from scale.data.tofu import (
    AUTHOR,
    AUTHORS_FILE,
    FACTS_FILE,
    FORGET_FILE,
    FULL_FILE,
    RETAIN_FILE,
    Corpus,
    Row,
    Sets,
    percent_of,
    read_rows,
    split,
)

__all__ = ["HUB_DATASET", "DataSettings", "corpus_of"]

HUB_DATASET = "locuslab/TOFU"
_HEAD = 400  # of the rows to retain, so many have perturbed answers


class DataSettings(BaseModel):
    """Where rows come from and which are forgotten.

    Either a split by name (`forget: forget10`), or so many authors of those that have perturbed answers
    (`forget_authors: 2, retain_authors: 8`), for runs smaller than TOFU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field("fictional", description="fictional, hub, or the folder of the TOFU files")
    forget: str | None = Field(None, description="a split: forget01, 05, 10, 20, 30, 50, 90 or any other percentage")
    forget_authors: int | None = Field(None, ge=1, description="instead of a split: authors to forget, the last ones")
    retain_authors: int | None = Field(None, ge=1, description="and authors to retain, the first ones")
    authors: int = Field(200, ge=2, le=10_000, description="fictional: how many authors there are")
    seed: Seed = Field(0, description="fictional: which authors")
    kind: Literal["TOFU"] = "TOFU"

    @model_validator(mode="after")
    def _one_way(self) -> "DataSettings":
        by_author = (self.forget_authors is not None) + (self.retain_authors is not None)
        if by_author == 1 or (by_author == 2) == (self.forget is not None):
            raise ValueError("give either forget (a split), or both forget_authors and retain_authors")
        if self.forget is not None:
            try:
                percent_of(self.forget)
            except UserError as error:
                raise ValueError(str(error)) from None
        return self


def corpus_of(data: DataSettings, *, offline: bool = False) -> Corpus:
    """The rows of a run; UserError where the source can't give them."""
    if data.source == "fictional":
        return _fictional(data)
    folder = _from_hub(offline) if data.source == "hub" else user_path(data.source, "The folder of TOFU's files")
    if not folder.is_dir():
        raise UserError(
            f"There is no folder {folder}. Name the folder that holds {FORGET_FILE} and {RETAIN_FILE} of TOFU "
            f"(huggingface.co/datasets/{HUB_DATASET}) as data.source or --data, or run with data.source=fictional."
        )
    return _tofu(data, folder)


def _fictional(data: DataSettings) -> Corpus:
    rows = fictional.authors(data.authors, seed=data.seed)
    if data.forget is not None:
        forget, retain = split(rows, percent_of(data.forget))
    else:
        forget, retain = _by_author(data, forget=rows, retain=rows, where="the generator (data.authors)")
    # TOFU asks the last 400 rows of the larger forget sets, and of every retain set the first 400
    asked = Sets(forget[-_HEAD:], retain[:_HEAD], general.real_authors(), general.world_facts())
    return Corpus(forget, retain, asked, IDK_ANSWERS, f"embedded generator, seed {data.seed}")


def _tofu(data: DataSettings, folder: Path) -> Corpus:
    forget_rows, retain_rows, authors, facts = (
        read_rows(folder / name, perturbed=True, paraphrased=name in (FORGET_FILE, RETAIN_FILE))
        for name in (FORGET_FILE, RETAIN_FILE, AUTHORS_FILE, FACTS_FILE)
    )
    idk = read_idk(folder / IDK_FILE) if (folder / IDK_FILE).is_file() else IDK_ANSWERS
    if data.forget is None:
        forget, retain = _by_author(data, forget=forget_rows, retain=retain_rows, where=str(folder))
        return Corpus(forget, retain, Sets(forget, retain, authors, facts), idk, "TOFU rows")
    forget, retain = split(read_rows(folder / FULL_FILE, perturbed=False), percent_of(data.forget))
    # Beyond forget10 nothing is perturbed; as the authors of arXiv:2404.05868 do, forget10 is asked
    asked = Sets(forget_rows[-len(forget) :], retain_rows[: len(retain)], authors, facts)
    return Corpus(forget, retain, asked, idk, "TOFU rows")


def _by_author(
    data: DataSettings, *, forget: Sequence[Row], retain: Sequence[Row], where: str
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    assert data.forget_authors is not None
    assert data.retain_authors is not None
    for rows, authors, key in ((forget, data.forget_authors, "forget"), (retain, data.retain_authors, "retain")):
        if len(rows) < authors * AUTHOR:
            raise UserError(
                f"{where} has {len(rows)} {key} rows with perturbed answers, and data.{key}_authors={authors} asks for "
                f"{authors} authors of {AUTHOR} rows. Ask for fewer."
            )
    return tuple(forget[len(forget) - data.forget_authors * AUTHOR :]), tuple(retain[: data.retain_authors * AUTHOR])


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
