"""The command `npo`. One verb a function; everything heavy is imported inside the verb, so that help is instant."""

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from npo.cli_atlas import add_atlas
from npo.cli_llm import add_verbs
from npo.cli_synthetic import add_synthetic
from npo.options import LAST_SEED, PATH, number_options, plain_digits
from npo.program.ending import ends_in_words
from npo.stopping import SAID, goes_on
from records.errors import UserError

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
synthetic = typer.Typer(
    cls=Verbs, help="Experiments small enough to watch: a logistic model, a small transformer.", no_args_is_help=True
)
app.add_typer(synthetic, name="synthetic")

Out = Annotated[Path | None, typer.Option(**PATH, help="Folder for results; it is made if needed.")]


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
    name: Annotated[
        str | None, typer.Argument(help="A theorem (npo theory lists them), or `slips`: those of the paper.")
    ] = None,
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


add_synthetic(synthetic)
add_atlas(app)
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


def _run() -> None:
    _check_given(sys.argv[1:])
    app()


def main() -> None:
    """Run the command line; it ends as `npo.program.ending` says."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    ends_in_words(_run)


if __name__ == "__main__":
    main()
