"""The verb `npo forget`, an option a line; like all of `npo.cli` it imports nothing heavy before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from npo.options import PATH, a_path, listed, numbers
from npo.running.waiting import waiting
from npo.stopping import goes_on

__all__ = ["forget"]

RowsFile = Annotated[
    Path, typer.Argument(parser=a_path, help="Rows to forget: JSON lines, a JSON array, CSV, Parquet, or a text.")
]
Keys = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE ...]",
        help="Any keys that a recipe has below unlearn, evaluate and model (npo ls options), e.g. "
        "unlearn.methods.0.lr=2e-5; they go before the options.",
    ),
]
Model = Annotated[str, typer.Option(help="A folder, owner/name of the hub, or a small model to get (npo ls models).")]
Out = Annotated[Path, typer.Option(**PATH, help="Folder for the unlearned model and what was measured.")]
Retain = Annotated[Path | None, typer.Option(**PATH, help="Rows to keep, in the same form.")]
RowsFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="question-answer, prompt-completion, messages, sharegpt or text.",
        show_default="by the keys of the rows",
    ),
]
MethodNames = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="A method, or file.py:name[+rt|+kl], which runs that file. Given several times, each is run.",
        show_default="NPO+RT with --retain, else NPO",
    ),
]
Beta = Annotated[float | None, typer.Option(help="β, where the method has one.", show_default="0.1")]
Lr = Annotated[float, typer.Option(help="Peak learning rate.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the rows to forget; the first warms up.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows of a step.")]
Piece = Annotated[
    int, typer.Option(min=1, help="Rows of a forward pass: fewer take less memory, with the same result.")
]
RetainWeight = Annotated[float, typer.Option(min=0, help="Weight of the retain term.")]
LoraRank = Annotated[int | None, typer.Option(min=1, help="Train an adapter of this rank.", show_default="all weights")]
Prompt = Annotated[
    str | None,
    typer.Option(help="A prompt format (npo ls formats).", show_default="the model's chat template, else plain"),
]
MaxLength = Annotated[
    int | None,
    typer.Option(min=2, help="Cut documents into pieces of so many tokens.", show_default="what the model reads"),
]
Recompute = Annotated[bool, typer.Option("--recompute", help="Keep fewer activations: less memory, a third more time.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Dtype = Annotated[str, typer.Option(help="float32, or bf16 (autocast; weights stay float32).")]
Seeds = Annotated[str, typer.Option("--seeds", "--seed", help="Seeds of order and pairing, one run each.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=NUMBER",
        help="A hyperparameter of the methods that take it; of one alone METHOD.NAME=NUMBER. May be repeated.",
        show_default="as in the method's paper",
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        "--metric",
        help="What is measured besides: npo ls metrics, or file.py:name, which is run.",
        show_default="probability; the truth ratio where rows have wrong answers",
    ),
]
JudgeLog = Annotated[
    Path | None,
    typer.Option(
        **PATH,
        help="Evaluation log of a model retrained without these rows: TOFU_EVAL.json, a log in TOFU's format, or "
        "evaluate/retrain of a run. Rows need paraphrased and perturbed answers.",
    ),
]
Weights = Annotated[
    str, typer.Option(help="float32; bf16: half the memory, loses small updates; 4bit: with --lora, on a GPU.")
]
Optimizer = Annotated[
    str,
    typer.Option(
        "--optimizer",
        "--optimiser",
        help="One of torch's, SAM, SignDescent, Sophia, adamw8bit (needs the package bitsandbytes), or file.py:name; "
        "with options NAME:option=value:….",
    ),
]


@goes_on
def forget(
    rows: RowsFile,
    model: Model,
    out: Out,
    keys: Keys = None,
    retain: Retain = None,
    method: MethodNames = None,
    beta: Beta = None,
    lr: Lr = 1e-5,
    epochs: Epochs = 10,
    batch: BatchSize = 8,
    piece: Piece = 4,
    retain_weight: RetainWeight = 1.0,
    lora: LoraRank = None,
    prompt: Prompt = None,
    max_length: MaxLength = None,
    recompute: Recompute = False,
    device: Device = "auto",
    dtype: Dtype = "float32",
    seeds: Seeds = "0",
    weights: Weights = "float32",
    optimizer: Optimizer = "adamw",
    rows_format: RowsFormat = None,
    settings: Settings = None,
    metrics: Metrics = None,
    retain_log: JudgeLog = None,
) -> None:
    """Make a model forget rows of your own; needs no perturbed answers and no retrained model.

    npo forget forget.jsonl --retain retain.jsonl --model DIR --out out/forgotten
    """
    with waiting("loading the libraries"):
        from npo.verbs.forget import forget as start
        from npo.verbs.forget_choices import ForgetChoices

    asked = ForgetChoices(
        methods=tuple(method or ()),
        beta=beta,
        lr=lr,
        epochs=epochs,
        batch=batch,
        piece=piece,
        retain_weight=retain_weight,
        lora=lora,
        prompt=prompt,
        device=device,
        dtype=dtype,
        seeds=numbers("seeds", seeds, int),
        settings=tuple(settings or ()),
        metrics=listed(metrics, "--metrics"),
        max_length=max_length,
        recompute=recompute,
        weights=weights,
        optimizer=optimizer,
        format=rows_format,
        keys=tuple(keys or ()),
        retain_log=retain_log,
    )
    start(rows, retain, model, out, asked)
