"""The verb `npo forget`, an option a line; like all of `npo.cli` it imports nothing heavy before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from npo import cli_words
from npo.options import PATH, a_path, listed, number_or_auto, numbers
from npo.running.waiting import waiting
from npo.stopping import goes_on

__all__ = ["forget"]

ROWS, METHOD, TRAINING = "Rows and model", "Method", "Training"
MEMORY, MEASURED = "Memory and machine", "What is measured"
"""The groups of its options."""

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
Model = Annotated[
    str,
    typer.Option(
        help="A folder, owner/name of the hub, or a small model to get (npo ls models).", rich_help_panel=ROWS
    ),
]
Out = Annotated[
    Path, typer.Option(**PATH, help="Folder for the unlearned model and what was measured.", rich_help_panel=ROWS)
]
Retain = Annotated[Path | None, typer.Option(**PATH, help="Rows to keep, in the same form.", rich_help_panel=ROWS)]
RowsFormat = Annotated[str | None, cli_words.rows_format(ROWS)]
MethodNames = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="A method, or file.py:name[+rt|+kl], which runs that file. Given several times, each is run.",
        show_default="NPO+RT with --retain, else NPO",
        rich_help_panel=METHOD,
    ),
]
Beta = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER|auto",
        help="β, where the method has one. auto: NPO's is found, by --base, --held-out, --wanted-drop, or answers in "
        "other words where the rows have them.",
        show_default="0.1",
        rich_help_panel=METHOD,
    ),
]
Base = Annotated[
    str | None,
    typer.Option(help="For --beta auto: the model before it was finetuned on these rows.", rich_help_panel=METHOD),
]
HeldOut = Annotated[
    Path | None,
    typer.Option(
        **PATH, help="For --beta auto: rows of the same kind that no model was trained on.", rich_help_panel=METHOD
    ),
]
WantedDrop = Annotated[
    float | None,
    typer.Option(
        help="For --beta auto: by how many nats an answer should become less likely.",
        show_default="estimated",
        rich_help_panel=METHOD,
    ),
]
OnlyBeta = Annotated[
    bool, typer.Option("--only-beta", help="With --beta auto: tell the β and unlearn nothing.", rich_help_panel=METHOD)
]
Lr = Annotated[float, typer.Option(help="Peak learning rate.", rich_help_panel=TRAINING)]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the rows to forget.", rich_help_panel=TRAINING)]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows of a step.", rich_help_panel=TRAINING)]
Piece = Annotated[
    int,
    typer.Option(
        min=1, help="Rows of a forward pass: fewer take less memory, with the same result.", rich_help_panel=MEMORY
    ),
]
RetainWeight = Annotated[float, typer.Option(min=0, help="Weight of the retain term.", rich_help_panel=METHOD)]
LoraRank = Annotated[
    int | None,
    typer.Option(min=1, help="Train an adapter of this rank.", show_default="all weights", rich_help_panel=MEMORY),
]
Prompt = Annotated[str | None, cli_words.prompt(ROWS)]
MaxLength = Annotated[int | None, cli_words.max_length(ROWS)]
Recompute = Annotated[
    bool,
    typer.Option("--recompute", help="Keep fewer activations: less memory, a third more time.", rich_help_panel=MEMORY),
]
Device = Annotated[str, cli_words.device(MEMORY)]
Dtype = Annotated[str, cli_words.precision(MEMORY)]
Seeds = Annotated[
    str, typer.Option("--seeds", "--seed", help="Seeds of order and pairing, one run each.", rich_help_panel=TRAINING)
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=NUMBER",
        help="A hyperparameter of the methods that take it; of one alone METHOD.NAME=NUMBER. May be repeated.",
        show_default="as in the method's paper",
        rich_help_panel=METHOD,
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        "--metric",
        help="What is measured besides: npo ls metrics, or file.py:name, which is run.",
        show_default="probability; the truth ratio where rows have wrong answers",
        rich_help_panel=MEASURED,
    ),
]
JudgeLog = Annotated[
    Path | None,
    typer.Option(
        **PATH,
        help="Evaluation log of a model retrained without these rows: TOFU_EVAL.json, a log in TOFU's format, or "
        "evaluate/retrain of a run. Rows need paraphrased and perturbed answers.",
        rich_help_panel=MEASURED,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="float32; bf16: half the memory, loses small updates; 4bit: with --lora, on a GPU.", rich_help_panel=MEMORY
    ),
]
Optimizer = Annotated[
    str,
    typer.Option(
        "--optimizer",
        "--optimiser",
        help="One of torch's, SAM, SignDescent, Sophia, adamw8bit (needs the package bitsandbytes), or file.py:name; "
        "with options NAME:option=value:….",
        rich_help_panel=TRAINING,
    ),
]

Reduction = Annotated[
    str | None,
    typer.Option(
        help="What each loss is a mean over: sum (answers, as the papers write it), token_mean (GA, IDK and the retain "
        "term over tokens, as in the authors' code and open-unlearning), pooled (IDK and its retain term over the "
        "tokens of both).",
        show_default="sum",
        rich_help_panel=METHOD,
    ),
]
StepsOption = Annotated[
    int | None,
    typer.Option("--steps", min=1, help="So many steps instead of --epochs.", rich_help_panel=TRAINING),
]
Warmup = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Epochs through which the learning rate climbs from 0; then it falls to 0.",
        show_default="1; 0 with --epochs 1 or --steps",
        rich_help_panel=TRAINING,
    ),
]
WeightDecay = Annotated[
    float | None, typer.Option(min=0, help="Of the optimizer.", show_default="0.01", rich_help_panel=TRAINING)
]
Clip = Annotated[
    float | None,
    typer.Option(
        help="Shorten a step's gradient to this norm where it is longer.",
        show_default="it is left as it is",
        rich_help_panel=TRAINING,
    ),
]
TagsOption = Annotated[
    str | None,
    typer.Option(
        "--tags",
        metavar="MAPPING",
        help="For a model without chat template, what stands around a question and before its answer: "
        '\'{before: "Q: ", after: "\\n", tag: "A: "}\'. Instead of --prompt.',
        rich_help_panel=ROWS,
    ),
]


@goes_on
def forget(
    rows: RowsFile,
    model: Model,
    out: Out,
    keys: Keys = None,
    retain: Retain = None,
    rows_format: RowsFormat = None,
    prompt: Prompt = None,
    tags: TagsOption = None,
    max_length: MaxLength = None,
    method: MethodNames = None,
    beta: Beta = None,
    base: Base = None,
    held_out: HeldOut = None,
    wanted_drop: WantedDrop = None,
    only_beta: OnlyBeta = False,
    settings: Settings = None,
    retain_weight: RetainWeight = 1.0,
    reduction: Reduction = None,
    lr: Lr = 1e-5,
    epochs: Epochs = 10,
    steps: StepsOption = None,
    warmup: Warmup = None,
    batch: BatchSize = 8,
    optimizer: Optimizer = "adamw",
    weight_decay: WeightDecay = None,
    clip: Clip = None,
    seeds: Seeds = "0",
    piece: Piece = 4,
    recompute: Recompute = False,
    lora: LoraRank = None,
    weights: Weights = "float32",
    device: Device = "auto",
    dtype: Dtype = "float32",
    metrics: Metrics = None,
    retain_log: JudgeLog = None,
) -> None:
    """Make a model forget rows of your own; needs no perturbed answers and no retrained model.

    npo forget forget.jsonl --retain retain.jsonl --model DIR --out out/forgotten

    npo forget forget.jsonl --model DIR --out out/six --steps 6 --clip 1 unlearn.decay=matrices

    npo forget forget.jsonl --model DIR --out out/auto --beta auto --held-out new.jsonl
    """
    typed = {**locals(), "seeds": numbers("seeds", seeds, int), "metrics": listed(metrics, "--metrics")}
    typed |= {"beta": number_or_auto("--beta", beta)}
    with waiting("loading the libraries"):
        from npo.verbs.forget.choices import choices_of
        from npo.verbs.forget.forget import forget as start

    start(rows, retain, model, out, choices_of(typed))
