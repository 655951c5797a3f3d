"""The verb `npo audit`; like all of `npo.cli` it imports nothing heavy before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from npo import cli_words
from npo.cli_words import DataFolder
from npo.options import PATH, listed
from npo.running.waiting import waiting
from npo.stopping import goes_on

__all__ = ["audit"]

MODELS, ROWS, ATTACKS, MACHINE = "Models", "Rows", "Attacks", "Machine"
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
        show_default="of TOFU forget10_entities.jsonl where it lies with its files; else ROUGE decides",
        rich_help_panel=ROWS,
    ),
]
Reworded = Annotated[
    Path | None,
    typer.Option(
        **PATH,
        help="The questions in other words, a JSON object a line: {question, paraphrased_question}.",
        show_default="TOFU's own",
        rich_help_panel=ROWS,
    ),
]
RowsRecipe = Annotated[
    str | None,
    typer.Option(help="Whose rows are asked (npo ls recipes).", show_default="that of the run", rich_help_panel=ROWS),
]
RowsFormat = Annotated[str | None, cli_words.rows_format(ROWS)]
Prompt = Annotated[str | None, cli_words.prompt(ROWS, "the run's; the model's chat template, else plain")]
MaxLength = Annotated[int | None, cli_words.max_length(ROWS)]
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
Attack = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ATTACK",
        help="What is done to the model, and to the retrained one, before it is audited again: relearn, quantise, "
        "prune or mix, alone or with the keys that it has in a recipe (attacks in npo ls options): "
        "'quantise: {bits: [8, 4]}'. May be repeated.",
        show_default="none",
        rich_help_panel=ATTACKS,
    ),
]
AttackRows = Annotated[
    Path | None,
    typer.Option(
        **PATH,
        help="Rows of the same kind, for 'relearn: {rows: related}'.",
        show_default="those that the recipe's data holds out",
        rich_help_panel=ATTACKS,
    ),
]
Device = Annotated[str | None, cli_words.device(MACHINE)]
Dtype = Annotated[str | None, cli_words.precision(MACHINE)]


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
    reworded: Reworded = None,
    rows_format: RowsFormat = None,
    prompt: Prompt = None,
    max_length: MaxLength = None,
    data: DataFolder = None,
    families: Families = None,
    attack: Attack = None,
    attack_rows: AttackRows = None,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Look for what a model still knows of rows to forget, in every way there is here, beside a retrained model.

    Is it really gone?

    npo audit out/tofu-mini/unlearn/NPO+RT-s0

    npo audit DIR --forget forget.jsonl --retain retain.jsonl --holdout new.jsonl --retrained DIR2 --finetuned DIR3

    npo audit out/tofu-mini/unlearn/NPO+RT-s0 --attack 'relearn: {steps: [5, 20]}' --attack 'quantise: {bits: [8, 4]}'
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
            reworded=reworded,
            attacks=tuple(attack or ()),
            attack_rows=attack_rows,
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
