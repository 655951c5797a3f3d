"""The command `npo`. One verb a function; everything heavy is imported inside the verb, so that help is instant."""

import errno
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from records.errors import UserError

__all__ = ["app", "main"]

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class Verbs(TyperGroup):
    """The verbs, with a word on the way out of one that is interrupted; typer would end it in silence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; exit code 130 where it is interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            kept = "; finished pieces are kept, the same command goes on from there"
            sys.stderr.write(f"\nnpo: stopped{kept if ctx.invoked_subcommand == 'reproduce' else ''}.\n")
            raise typer.Exit(130) from None


app = typer.Typer(
    name="npo",
    cls=Verbs,
    help="Negative Preference Optimization: the theory checked, the dynamics shown, a language model unlearned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
synthetic = typer.Typer(help="Experiments small enough to watch.", no_args_is_help=True)
app.add_typer(synthetic, name="synthetic")

Out = Annotated[Path | None, typer.Option(help="Folder for results; it is made if needed.")]
LAST_SEED = 2**63 - 1


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
def reproduce(
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STEP.KEY=VALUE ...]", help="Settings of a step, e.g. logistic.alpha=0 llm.beta=0.5."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this step only (theory, logistic, transformer, llm); may be repeated.")
    ] = None,
    out: Out = None,
    data: Annotated[
        Path | None,
        typer.Option(envvar="NPO_DATA", help="Folder of the real TOFU files; without it fictitious authors are made."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small version of every step, in under a minute.")] = False,
    full: Annotated[
        bool,
        typer.Option("--full", help="All of every step: Section 4's logistic study to 10⁶ steps, some minutes more."),
    ] = False,
) -> None:
    """Run the main job: every room, its figures, the ledger of claims and one report.

    Finished pieces are kept: stopped and started again, it goes on with what is missing.

        npo reproduce --only theory --out out/theory
    """
    from npo.reproduce import reproduce as run

    run(settings=settings or [], only=only or [], out=out, data=data, quick=quick, full=full)


@app.command()
def theory(
    name: Annotated[str | None, typer.Argument(help="A theorem, or `slips`; without it they are listed.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=LAST_SEED, help="Seed of the instance.")] = 0,
) -> None:
    """List the theorems, or check one: hypotheses, prediction, measurement, verdict. Exit code 1 if it fails.

    npo theory instance-npo
    """
    from npo.theory import check, list_theorems, print_slips

    if name is None:
        list_theorems()
    elif name == "slips":
        print_slips()
    else:
        raise typer.Exit(check(name, seed))


@app.command()
def doctor() -> None:
    """Print versions, devices and what is missing; exit with 1 if something would keep the main job from running."""
    from npo.doctor import examine

    raise typer.Exit(examine())


@synthetic.command()
def logistic(
    method: Annotated[
        list[str] | None,
        typer.Option(help="A method, e.g. NPO+RT, or one's own forget loss: file.py:name[+rt|+kl]. May be repeated."),
    ] = None,
    lr: Annotated[float, typer.Option(help="Step size of gradient descent.")] = 5e-3,
    beta: Annotated[
        float | None,
        typer.Option(help="Inverse temperature β of the methods that have one; 1 if none is named."),
    ] = None,
    alpha: Annotated[float, typer.Option(help="1: forget and retain inputs apart; 0: overlapping.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=LAST_SEED, help="Seed of the data.")] = 1000,
    steps: Annotated[int, typer.Option(min=1, help="Gradient-descent steps.")] = 2000,
    every: Annotated[int, typer.Option(min=1, help="Steps between evaluations.")] = 25,
    out: Out = None,
) -> None:
    """Unlearn in the paper's logistic model (arXiv:2404.05868, Sec. 4) and print what became of each method.

    npo synthetic logistic --method GA --lr 5e-4
    npo synthetic logistic --method NPO+RT --method my_loss.py:my_loss+rt --beta 1
    """
    from npo.logistic import run

    if not method:
        method, beta = ["NPO+RT"], 1.0 if beta is None else beta
    run(methods=method, lr=lr, beta=beta, alpha=alpha, seed=seed, steps=steps, every=every, out=out)


def main() -> None:
    """Run the command line; a user's mistake or a full disk ends in its message and exit code 2, Ctrl-C in 130."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"npo: {error}\n")
        sys.exit(2)
    except OSError as error:
        if error.errno not in DISK:
            raise
        where = f" {error.filename}" if error.filename else ""
        sys.stderr.write(f"npo: Can't use the disk{where}: {error.strerror}. Make room or choose another --out.\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
