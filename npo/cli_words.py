"""The arguments and options that the verbs for language models share."""

from pathlib import Path
from typing import Annotated, Any

import typer

from npo.options import PATH

__all__ = [
    "DataFolder",
    "Device",
    "JudgeLog",
    "KeyValues",
    "Out",
    "Precision",
    "RecipeName",
    "Seed",
    "device",
    "max_length",
    "precision",
    "prompt",
    "rows_format",
]

RecipeName = Annotated[
    str,
    typer.Argument(
        help="A shipped recipe (npo ls recipes) or a YAML file. A method file.py:name of it is code: the verbs run, "
        "unlearn and sweep run that file, the others look at its text alone."
    ),
]
KeyValues = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE ...]",
        help="Any keys of the recipe (npo ls options): unlearn.lr=1e-5, unlearn.methods=[NPO,GA+RT], "
        "unlearn.methods.0.lr=2e-5.",
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(**PATH, help="Folder of TOFU's files, instead of data.source; NPO_DATA names one instead of the hub."),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.", show_default="the recipe's: auto")]
Precision = Annotated[str | None, typer.Option("--dtype", help="float32, or bf16 (autocast; weights stay float32).")]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, help="Seed of models, order and pairing; methods run with unlearn.seeds.", show_default="the recipe's"
    ),
]
Out = Annotated[Path | None, typer.Option(**PATH, help="Folder for results.", show_default="out/RECIPE")]
JudgeLog = Annotated[
    Path | None,
    typer.Option(
        **PATH,
        help="Evaluation log of a retrained model, so that none is trained: open-unlearning's TOFU_EVAL.json, a log in "
        "TOFU's format, or evaluate/retrain of another run.",
    ),
]


def rows_format(panel: str) -> Any:
    """How files of one's own rows are written; `panel` is the group of the verb's help that it stands in."""
    return typer.Option(
        "--format",
        help="question-answer, prompt-completion, messages, sharegpt or text.",
        show_default="by the keys of the rows",
        rich_help_panel=panel,
    )


def prompt(panel: str, usual: str = "the model's chat template, else plain") -> Any:
    """The prompt format of a model that no recipe describes."""
    return typer.Option(help="A prompt format (npo ls formats).", show_default=usual, rich_help_panel=panel)


def max_length(panel: str) -> Any:
    """Of one's own documents."""
    return typer.Option(
        min=2,
        help="Cut documents into pieces of so many tokens.",
        show_default="what the model reads",
        rich_help_panel=panel,
    )


def device(panel: str) -> Any:
    """Where models are held."""
    return typer.Option(help="auto, cpu or cuda.", rich_help_panel=panel)


def precision(panel: str) -> Any:
    """In which numbers they compute."""
    return typer.Option(help="float32, or bf16 (autocast; weights stay float32).", rich_help_panel=panel)
