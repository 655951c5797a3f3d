"""The verbs `npo try` and `npo atlas`; like all of `npo.cli` they import nothing heavy before they run."""

from pathlib import Path
from typing import Annotated

import typer

from npo.options import PATH
from npo.running.waiting import waiting
from npo.stopping import goes_on

__all__ = ["add_atlas"]

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=NUMBER", help="A hyperparameter of the loss. May be repeated."),
]
Beta = Annotated[float | None, typer.Option(help="β of the loss, where it takes one.")]


@goes_on
def try_(
    loss: Annotated[
        str, typer.Argument(metavar="FILE.py:NAME", help="A loss of your own, whose file is run; or a known one, NPO.")
    ],
    beta: Beta = None,
    settings: Settings = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few rows and few steps, in seconds: does it run?")] = False,
    out: Annotated[Path, typer.Option(**PATH, help="Folder for results and picture.")] = Path("out/try"),
) -> None:
    """Try a loss of your own: contract, gradient weight, how fast it runs away, Pareto front, answers, a line for TOFU.

    Under two minutes on two cores. Exit code 1 where its contract is broken.

    npo try my_loss.py:my_loss --beta 1
    """
    with waiting("loading the libraries"):
        from npo.verbs.losses.try_loss import try_out_loss

    raise typer.Exit(try_out_loss(loss, beta=beta, settings=settings or [], quick=quick, out=out))


def atlas(
    losses: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[LOSS ...]", help="Losses, e.g. NPO or NPO(0.1), or one's own: file.py:name, which runs that file."
        ),
    ] = None,
    beta: Beta = None,
    settings: Settings = None,
    optimisers: Annotated[
        list[str] | None,
        typer.Option(
            "--optimizer",
            "--optimiser",
            help="Each loss under this optimiser, too: GD, heavy ball, SAM, AdaGrad, AMSGrad, Adam, AdamW, sign, "
            "Sophia, all. May be repeated.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(**PATH, help="Folder for table (Markdown, JSON) and picture.")] = None,
) -> None:
    """Say how fast a loss runs away: class and law of its margin, predicted from its formula and measured.

    npo atlas

    npo atlas NPO SimNPO --beta 0.5

    npo atlas NPO GA --optimizer Adam --optimizer GD

    npo atlas my_loss.py:my_loss --out out/atlas
    """
    with waiting("loading the libraries"):
        from npo.verbs.losses.atlas import print_atlas

    print_atlas(losses or [], beta=beta, settings=settings or [], optimisers=optimisers or [], out=out)


def add_atlas(app: typer.Typer) -> None:
    """Mount them."""
    app.command("try")(try_)
    app.command()(atlas)
