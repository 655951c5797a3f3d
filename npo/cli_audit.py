"""The verb `npo audit`; like all of `npo.cli` it imports nothing heavy before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from npo.options import PATH, listed
from npo.running.waiting import waiting
from npo.stopping import goes_on

__all__ = ["audit"]

MODELS, ROWS, MACHINE = "Models", "Rows", "Machine"
"""The groups of its options."""

Model = Annotated[
    str,
    typer.Argument(
        help="A folder, an adapter's folder, owner/name of the hub; or a model of a run, such as "
        "out/tofu-mini/unlearn/NPO+RT-s0, beside which its references, rows and prompt format are found."
    ),
]
Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE ...]",
        help="How it is audited: audit.answers=64, audit.min_k=0.2; and keys of the recipe: data.forget=forget05.",
    ),
]


def _other(text: str, default: str | None = None) -> object:
    return typer.Option(help=text, show_default=default or False, rich_help_panel=MODELS)


Retrained = Annotated[str | None, _other("One trained without these rows.", "the run's")]
Finetuned = Annotated[str | None, _other("The model before unlearning.", "the run's")]
LossesBeside = Annotated[
    str | None, _other("Whose losses the reference attack takes from the model's.", "the finetuned one")
]


def _rows(text: str) -> object:
    return typer.Option(**PATH, help=text, show_default="the recipe's", rich_help_panel=ROWS)


Forget = Annotated[Path | None, _rows("Rows that were to be forgotten: JSON lines, a JSON array, CSV, Parquet.")]
Retain = Annotated[Path | None, _rows("Rows that were to be kept.")]
Holdout = Annotated[Path | None, _rows("Rows of the same kind that no model has seen, for membership.")]
Entities = Annotated[
    Path | None,
    typer.Option(
        **PATH,
        help="The words that give answers away, a JSON object a line: {entity, prefix} or {entity, question}.",
        show_default="none: answers are compared by ROUGE",
        rich_help_panel=ROWS,
    ),
]
RowsRecipe = Annotated[
    str | None,
    typer.Option(help="Whose rows are asked (npo ls recipes).", show_default="that of the run", rich_help_panel=ROWS),
]
RowsFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="question-answer, prompt-completion, messages, sharegpt or text.",
        show_default="by the keys of the rows",
        rich_help_panel=ROWS,
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option(
        help="A prompt format (npo ls formats).",
        show_default="the run's; the model's chat template, else plain",
        rich_help_panel=ROWS,
    ),
]
MaxLength = Annotated[
    int | None,
    typer.Option(min=2, help="Cut documents into pieces of so many tokens.", rich_help_panel=ROWS),
]
RowsFolder = Annotated[
    Path | None,
    typer.Option(**PATH, help="Folder of TOFU's files, instead of data.source.", rich_help_panel=ROWS),
]
Families = Annotated[
    list[str] | None,
    typer.Option(
        "--families",
        "--family",
        help="Of memorisation, membership, sampling, prompts, hidden; may be repeated.",
        show_default="all",
    ),
]
Out = Annotated[
    Path | None, typer.Option(**PATH, help="Folder for results.", show_default="RUN/audited, else out/audit")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.", rich_help_panel=MACHINE)]
Dtype = Annotated[str | None, typer.Option(help="float32, or bf16 (autocast).", rich_help_panel=MACHINE)]


@goes_on
def audit(
    model: Model,
    keys: Keys = None,
    recipe: RowsRecipe = None,
    retrained: Retrained = None,
    finetuned: Finetuned = None,
    reference: LossesBeside = None,
    forget: Forget = None,
    retain: Retain = None,
    holdout: Holdout = None,
    entities: Entities = None,
    rows_format: RowsFormat = None,
    prompt: Prompt = None,
    max_length: MaxLength = None,
    data: RowsFolder = None,
    families: Families = None,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Is it really gone? Every way there is here to get it back out of a model, beside a retrained model's scores.

    npo audit out/tofu-mini/unlearn/NPO+RT-s0

    npo audit DIR --forget forget.jsonl --retain retain.jsonl --holdout new.jsonl --retrained DIR2 --finetuned DIR3
    """
    with waiting("loading the libraries"):
        from npo.verbs.audit import audit as start
        from npo.verbs.audit_choices import AuditChoices

    start(
        AuditChoices(
            model=model,
            keys=tuple(keys or ()),
            recipe=recipe,
            retrained=retrained,
            finetuned=finetuned,
            reference=reference,
            forget=forget,
            retain=retain,
            holdout=holdout,
            entities=entities,
            families=listed(families, "--families"),
            format=rows_format,
            prompt=prompt,
            max_length=max_length,
            out=out,
            data=data,
            device=device,
            dtype=dtype,
        )
    )
