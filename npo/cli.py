"""The command `npo`. One verb a function; everything heavy is imported inside the verb, so that help is instant."""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from npo.cli_llm import add_verbs
from npo.options import LAST_SEED, PATH, listed, number_options, numbers, plain_digits
from npo.refusals import said
from npo.stopping import SAID, goes_on, starts_anew
from npo.terminal import settle
from records.errors import UserError
from records.plain import plain

__all__ = ["app", "main"]


class Verbs(TyperGroup):
    """The verbs, with a word on the way out of one that is interrupted; typer would end it in silence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; exit code 130 where it is interrupted, an error where a file ends too early."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sentence = SAID.get(str(ctx.invoked_subcommand), "")
            sys.stderr.write(f"\nnpo: stopped. {sentence}".rstrip() + "\n")
            raise typer.Exit(130) from None
        except EOFError as error:  # which typer would take for the end of what is typed
            raise UserError(f"A file ends before it should: {error}. It is damaged.") from error


app = typer.Typer(
    name="npo",
    cls=Verbs,
    help="Negative Preference Optimization: the theory checked, the dynamics shown, a language model unlearned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
synthetic = typer.Typer(cls=Verbs, help="Experiments small enough to watch.", no_args_is_help=True)
app.add_typer(synthetic, name="synthetic")

Out = Annotated[Path | None, typer.Option(**PATH, help="Folder for results; it is made if needed.")]
MOST, MOST_STEPS = 10**12, 10**9


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"npo-playground {metadata.version('npo-playground')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version  # answered by its callback


@app.command()
@goes_on
def reproduce(
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STEP.KEY=VALUE ...]", help="Settings of a step, e.g. logistic.alphas=0 llm.beta=0.5."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this step only (theory, logistic, transformer, llm); may be repeated.")
    ] = None,
    out: Out = None,
    data: Annotated[
        Path | None,
        typer.Option(
            **PATH, envvar="NPO_DATA", help="Folder of the real TOFU files; without it fictitious authors are made."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version of every step, in about a minute.")] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="All of every step: logistic study to 10⁶ steps (six minutes), transformer (over an hour)."
        ),
    ] = False,
) -> None:
    """Run the main job: every room, its figures, the ledger of claims and one report.

    npo reproduce --only theory --out out/theory
    """
    from npo.verbs.reproduce import reproduce as run

    run(settings=settings or [], only=only or [], out=out, data=data, quick=quick, full=full)


@app.command()
def theory(
    name: Annotated[str | None, typer.Argument(help="A theorem, or `slips`; without it they are listed.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=LAST_SEED, help="Seed of the instance.")] = 0,
) -> None:
    """List the theorems, or check one: hypotheses, prediction, measurement, verdict. Exit code 1 if it fails.

    npo theory instance-npo
    """
    from npo.verbs.theory import check, list_theorems, print_slips

    if name is None:
        list_theorems()
    elif name == "slips":
        print_slips()
    else:
        raise typer.Exit(check(name, seed))


@app.command()
def doctor() -> None:
    """Print versions, devices and what is missing; exit with 1 if something would keep the main job from running."""
    from npo.verbs.doctor import examine

    raise typer.Exit(examine())


MethodNames = Annotated[
    list[str] | None,
    typer.Option(
        "--methods",
        "--method",
        help="Methods, e.g. NPO+RT,GA, or one's own forget loss: file.py:name[+rt|+kl], which runs that file. "
        "May be repeated.",
        show_default="all twelve",
    ),
]
Alpha = Annotated[float, typer.Option(help="1: forget and retain inputs apart; 0: one over the other.")]
Seeds = Annotated[str, typer.Option("--seeds", "--seed", help="Seeds of the data, one result each.")]
FIVE_SEEDS = "1000,2000,3000,4000,5000"


@synthetic.command()
@starts_anew
def logistic(
    methods: MethodNames = None,
    alpha: Alpha = 1.0,
    seeds: Seeds = FIVE_SEEDS,
    lr: Annotated[float | None, typer.Option(help="Step size.", show_default="the paper's Table 1")] = None,
    beta: Annotated[
        float | None,
        typer.Option(help="β of the methods that have one.", show_default="the paper's Table 1"),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, max=MOST_STEPS, help="Steps of descent.")] = 2000,
    every: Annotated[int, typer.Option(min=1, max=MOST_STEPS, help="Steps between evaluations.")] = 25,
    problem: Annotated[
        Path | None,
        typer.Option(
            **PATH, help="One's own data instead: a .npz of W, X_forget, y_forget, X_retain, y_retain, X_eval_forget, …"
        ),
    ] = None,
    label_noise: Annotated[float, typer.Option(min=0, max=1, help="Share of training labels turned round.")] = 0.0,
    d: Annotated[int, typer.Option("--d", min=1, max=MOST, help="Input dimensions.")] = 16,
    features: Annotated[int, typer.Option(min=1, max=MOST, help="Random features N.")] = 128,
    n_forget: Annotated[int, typer.Option(min=1, max=MOST, help="Forget examples.")] = 200,
    n_retain: Annotated[int, typer.Option(min=1, max=MOST, help="Retain examples.")] = 1000,
    classes: Annotated[int, typer.Option(min=2, max=MOST, help="Classes K.")] = 2,
    activation: Annotated[str, typer.Option(help="relu, or a function of numpy: tanh, cos, …")] = "relu",
    optimiser: Annotated[
        str | None, typer.Option(help="A class of torch.optim, e.g. Adam.", show_default="plain descent")
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum of --optimiser SGD.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Forget rows a step, and as many to retain.", show_default="all")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One seed, models fitted in 2000 steps, 500 steps.")] = False,
    out: Annotated[Path, typer.Option(**PATH, help="Folder for trajectories and figure.")] = Path("out/logistic"),
) -> None:
    """Unlearn in the paper's logistic model (arXiv:2404.05868, Sec. 4), and print and draw what became of each method.

    Without options: all twelve methods, five seeds, the step sizes and β of the paper's Table 1; about 15 s.

    npo synthetic logistic --methods NPO+RT,GA --alpha 0

    npo synthetic logistic --methods NPO+RT --methods my_loss.py:my_loss+rt --beta 1
    """
    from npo.verbs.logistic import run
    from npo.verbs.logistic_choices import LogisticChoices, LogisticData

    chosen = LogisticChoices(
        methods=listed(methods),
        lr=lr,
        beta=beta,
        steps=steps,
        every=every,
        optimiser=optimiser,
        momentum=momentum,
        batch=batch,
    )
    data = LogisticData(
        file=problem,
        alpha=alpha,
        seeds=numbers("seeds", seeds, int),
        label_noise=label_noise,
        d=d,
        features=features,
        n_forget=n_forget,
        n_retain=n_retain,
        classes=classes,
        activation=activation,
    )
    run(data, chosen, quick=quick, out=out)


@synthetic.command()
@goes_on
def transformer(
    part: Annotated[
        list[str] | None,
        typer.Option(help="law, optimizers or methods; may be repeated.", show_default="all three"),
    ] = None,
    methods: MethodNames = None,
    optimizers: Annotated[
        list[str] | None,
        typer.Option(
            help="Of the part optimizers: GD, momentum, Adam, Adam-slow, Adam-0.99, Adam-0.99-slow, Adam-0.99-eps, "
            "AdamW, AMSGrad.",
            show_default="all",
        ),
    ] = None,
    betas: Annotated[str, typer.Option(help="Values of β, of the part law.", show_default="0.1,0.2,0.5,1,2")] = "",
    seeds: Annotated[str, typer.Option(help="Seeds of data and models.", show_default="0,1,2,3,4")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A small model and few steps; about a minute.")] = False,
    out: Annotated[Path, typer.Option(**PATH, help="Folder for results and figures.")] = Path("out/transformer"),
) -> None:
    """Unlearn in a small transformer that memorised text: the intrinsic-time law, optimisers, and all methods.

    A part takes twenty to thirty minutes on two cores.

    npo synthetic transformer --part law --betas 0.1,1

    npo synthetic transformer --part methods --methods NPO+RT,GA --methods my_loss.py:my_loss+rt
    """
    from npo.verbs.transformer import TransformerChoices, run

    chosen = TransformerChoices(
        listed(part, "--part"), listed(methods), listed(optimizers, "--optimizers"), betas, seeds
    )
    run(chosen, quick=quick, out=out)


@synthetic.command()
@starts_anew
def grid(
    methods: MethodNames = None,
    lrs: Annotated[str, typer.Option(help="Step sizes to try.")] = "1e-4,5e-4,1e-3,5e-3,1e-2,5e-2",
    betas: Annotated[str, typer.Option(help="Values of β to try.")] = "0.1,0.5,1,2,5,10",
    alpha: Alpha = 1.0,
    seeds: Seeds = FIVE_SEEDS,
    steps: Annotated[int, typer.Option(min=1, max=MOST_STEPS, help="Gradient-descent steps.")] = 2000,
    every: Annotated[int, typer.Option(min=1, max=MOST_STEPS, help="Steps between evaluations.")] = 25,
    out: Annotated[Path, typer.Option(**PATH, help="Folder for the grid and its figure.")] = Path("out/grid"),
) -> None:
    """Search step size and β of each method on the logistic problem, as the paper did for its Table 1; some minutes.

    The best of a method is the largest hypervolume (π_ref's forget distance × 1 nat of retain distance) among the runs
    that are stable in every seed: finite, and ending within 2 nats of retain distance.

    npo synthetic grid --methods NPO+RT --alpha 0
    """
    from npo.verbs.grid import Grid, search

    values = numbers("lrs", lrs, float), numbers("betas", betas, float)
    search(Grid(listed(methods), *values, alpha, numbers("seeds", seeds, int), steps, every), out=out)


add_verbs(app)


def _check_given(words: list[str]) -> None:
    """UserError for an option that is given nothing (a variable of the shell that is not set), or a number like 1_0."""
    for word, following in zip(words, [*words[1:], "?"], strict=True):
        if not word.startswith("--") or word == "--":
            continue
        name, equals, inside = word.partition("=")
        value = inside if equals else following
        if not value:
            raise UserError(f"{name} is empty. Give it a value or leave it out; is a variable of the shell not set?")
        if not plain_digits(value) and name in number_options(app):
            raise UserError(f"{name} {value}: write a number in plain digits, as 1000 or 1e-3.")


def main() -> None:
    """Run the command line; a user's mistake or what this machine refuses ends in words and exit code 2, Ctrl-C in 130.

    Only what is nobody's mistake but ours ends in a traceback.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        settle()
        _check_given(sys.argv[1:])
        app()
    except Exception as error:
        if (words := said(error)) is None:
            raise
        sys.stderr.write(f"npo: {plain(words)}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
