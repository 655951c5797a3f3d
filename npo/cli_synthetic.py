"""The verbs `npo synthetic …`; like all of `npo.cli` they import nothing heavy before they run."""

from pathlib import Path
from typing import Annotated

import typer

from npo.options import PATH, listed, numbers
from npo.stopping import goes_on, starts_anew

__all__ = ["add_synthetic"]

MOST, MOST_STEPS = 10**12, 10**9

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
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=NUMBER",
        help="A hyperparameter of the methods that take it, e.g. gamma=0; of one alone, e.g. NPO.beta=0.5. "
        "May be repeated.",
        show_default="as in the method's paper",
    ),
]
Alpha = Annotated[
    float, typer.Option(help="How far forget and retain inputs lie apart: 0 one over the other, 1 apart.")
]
Seeds = Annotated[str, typer.Option("--seeds", "--seed", help="Seeds of the data, one result each.")]
FIVE_SEEDS = "1000,2000,3000,4000,5000"


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
    settings: Settings = None,
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
        str | None,
        typer.Option(
            "--optimiser",
            "--optimizer",
            help="One of torch's, SAM, SignDescent or Sophia: NAME, or NAME:option=value:….",
            show_default="plain descent",
        ),
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="Momentum, of --optimiser SGD.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Forget rows a step, and as many to retain.", show_default="all")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The first seed alone; models fitted in 2000 steps, unlearned in 500.")
    ] = False,
    out: Annotated[Path, typer.Option(**PATH, help="Folder for trajectories and figure.")] = Path("out/logistic"),
) -> None:
    """Unlearn in the paper's logistic model (arXiv:2404.05868, Sec. 4), and print and draw what became of each method.

    Without options: all twelve methods, five seeds, the step sizes and β of the paper's Table 1; about 15 s.

    npo synthetic logistic --methods NPO+RT,GA --alpha 0

    npo synthetic logistic --methods NPO+RT --methods my_loss.py:my_loss+rt --beta 1

    npo synthetic logistic --methods NPO,DPO --set NPO.beta=0.5 --set prefactor=1
    """
    from npo.verbs.synthetic.logistic import run
    from npo.verbs.synthetic.logistic_choices import LogisticChoices, LogisticData

    chosen = LogisticChoices(
        methods=listed(methods),
        lr=lr,
        beta=beta,
        settings=tuple(settings or ()),
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


@goes_on
def transformer(
    part: Annotated[
        list[str] | None,
        typer.Option(help="law, optimizers, methods, beta, field or practice; may be repeated.", show_default="all"),
    ] = None,
    methods: MethodNames = None,
    settings: Settings = None,
    optimizers: Annotated[
        list[str] | None,
        typer.Option(
            "--optimizers",
            "--optimisers",
            help="Of the part optimizers: GD, momentum, Adam, Adam-slow, Adam-0.99, Adam-0.99-slow, Adam-0.99-eps, "
            "AdamW, AMSGrad; or any of torch's, SAM, SignDescent, Sophia: NAME, or NAME:lr=1e-3:option=value.",
            show_default="all",
        ),
    ] = None,
    betas: Annotated[
        str, typer.Option(help="Values of β, of the part law.", show_default="0.1,0.2,0.5,1,2; 0.1,1 with --quick")
    ] = "",
    seeds: Annotated[
        str, typer.Option(help="Seeds of data and models.", show_default="0,1,2,3,4; 0 with --quick")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="A small model and few steps; about a minute.")] = False,
    out: Annotated[Path, typer.Option(**PATH, help="Folder for results and figures.")] = Path("out/transformer"),
) -> None:
    """Unlearn in a small transformer that memorised text: the intrinsic-time law, optimisers, all methods, β,
    and the sentences of other papers (field).

    A part takes twenty to thirty minutes on two cores.

    npo synthetic transformer --part law --betas 0.1,1

    npo synthetic transformer --part methods --methods NPO+RT,GA --methods my_loss.py:my_loss+rt
    """
    from npo.verbs.synthetic.transformer import TransformerChoices, run

    chosen = TransformerChoices(
        parts=listed(part, "--part"),
        methods=listed(methods),
        settings=tuple(settings or ()),
        optimizers=listed(optimizers, "--optimizers"),
        betas=betas,
        seeds=seeds,
    )
    run(chosen, quick=quick, out=out)


@starts_anew
def grid(
    methods: MethodNames = None,
    lrs: Annotated[str, typer.Option(help="Step sizes to try.")] = "1e-4,5e-4,1e-3,5e-3,1e-2,5e-2",
    betas: Annotated[str, typer.Option(help="Values of β to try.")] = "0.1,0.5,1,2,5,10",
    settings: Settings = None,
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
    from npo.verbs.synthetic.grid import Grid, search

    tried = Grid(
        methods=listed(methods),
        lrs=numbers("lrs", lrs, float),
        betas=numbers("betas", betas, float),
        settings=tuple(settings or ()),
        alpha=alpha,
        seeds=numbers("seeds", seeds, int),
        steps=steps,
        every=every,
    )
    search(tried, out=out)


def add_synthetic(app: typer.Typer) -> None:
    """Mount them."""
    for verb in (logistic, transformer, grid):
        app.command()(verb)
