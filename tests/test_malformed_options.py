"""Malformed values of options: numbers that are none, names that nothing has, sizes that no machine has."""

from dataclasses import replace
from pathlib import Path

import pytest
from malformed import Case, check, copied, params

FORGET = "forget rows.jsonl --model model --out o --device cpu"
FILES = {"rows.jsonl": copied("rows.jsonl"), "model": copied("model")}


def _each(words: str, option: str, values: str, says: str | None = None) -> list[Case]:
    """A command with an option at each of the values, which stand between spaces; `''` is the empty one."""
    given = ["" if value == "''" else value for value in values.split(" ")]
    named, verb = option if says is None else says, words.split(" --")[0]
    return [
        Case(f"{verb} {option}={v!r}", f"{words} {option}={_quoted(v)}", named, integration=i > 1)
        for i, v in enumerate(given)
    ]


def _quoted(word: str) -> str:
    return f"'{word}'"


NUMBERS = "nan inf -inf 0 -1 '' x 1_0x 0x10"
"""What no positive number is."""

LOGISTIC = [
    *_each("synthetic logistic", "--lr", NUMBERS),
    *_each("synthetic logistic --method NPO", "--beta", NUMBERS, "beta"),
    *_each("synthetic logistic", "--alpha", "nan inf '' x"),
    *_each("synthetic logistic", "--seeds", "'' x 1,1 1,,2 -1 9223372036854775808 1.5 nan ² 1e3 ,"),
    *_each("synthetic logistic", "--steps", "0 -1 1.5 nan x '' 99999999999999999999"),
    *_each("synthetic logistic", "--every", "0 -1 x"),
    *_each("synthetic logistic", "--label-noise", "-0.1 1.1 nan inf x"),
    *_each("synthetic logistic", "--d", "0 -1 x 1000000000000", "d"),
    *_each("synthetic logistic", "--features", "0 1000000000000", "features"),
    *_each("synthetic logistic", "--n-forget", "0 1000000000000", "forget"),
    *_each("synthetic logistic", "--n-retain", "0 1000000000000", "retain"),
    *_each("synthetic logistic", "--classes", "0 1 x 1000000000000", "classes"),
    *_each("synthetic logistic", "--activation", "'' Relu save add linalg __name__ where float64 isnan"),
    *_each("synthetic logistic", "--optimiser", "'' sgdd Optimizer lr_scheduler __name__ LBFGS SparseAdam"),
    *_each("synthetic logistic --optimiser SGD", "--momentum", "nan inf -1 x ''", "momentum"),
    *_each("synthetic logistic", "--batch", "0 -1 x 201 99999999999", "batch"),
    *_each(
        "synthetic logistic", "--methods", "'' , NPO,, NPQ npo+zz GA+RT+RT + mine.py mine.py:f :f mine.py: ../mine.py:f"
    ),
    *_each(
        "synthetic logistic --methods NPO,GA",
        "--set",
        "'' = beta beta= =1 beta=x beta=nan beta=inf beta=0 beta=-1 beta=1_0 gama=1 NPO.=1 .beta=1 NPO.gamma=1 "
        "GA.beta=1 NPQ.beta=1 npo.prefactor=0 a.py:f=1 beta=1=2",
        "",
    ),
    Case(
        "synthetic logistic: all that is wrong with --set",
        "synthetic logistic --methods NPO,GA --set betta=1 --set NPO.gamma=2 --set DPO.beta=1",
        ("Did you mean beta?", "NPO takes beta", "DPO is none of the methods"),
    ),
    Case("synthetic logistic: --set twice", "synthetic logistic --methods NPO --set beta=1 --set beta=2", "twice"),
    Case("synthetic logistic: β twice", "synthetic logistic --methods NPO --set beta=1 --beta 2", "--set beta"),
    *_each("synthetic logistic", "--problem", "'' nowhere.npz . /dev/null"),
    *_each("synthetic logistic", "--quick", "1"),
    Case("synthetic logistic: an option twice", "synthetic logistic --quick --seeds 1 --batch 2 --batch 999", "batch"),
    Case("synthetic logistic: an unknown option", "synthetic logistic --learning-rate 1", "--learning-rate"),
    Case("synthetic logistic: a near miss of an option", "synthetic logistic --seedss 1", "--seeds"),
    Case("synthetic logistic: a word too much", "synthetic logistic GA", "GA"),
    Case("synthetic logistic: classes and optimiser", "synthetic logistic --classes 3 --optimiser Adam", "--classes"),
]

GRID = [
    *_each("synthetic grid", "--lrs", "nan inf 0 -1 '' x 1,1 1,,2 0.1,1e-1", "lrs"),
    *_each("synthetic grid", "--betas", "nan inf 0 -1 '' 1,1 ,", "betas"),
    *_each("synthetic grid", "--alpha", "nan inf x -inf", "alpha"),
    *_each("synthetic grid", "--seeds", "'' 1,1 -1 x"),
    *_each("synthetic grid", "--steps", "0 x"),
    *_each("synthetic grid", "--methods", "'' NPQ x.py:f"),
    *_each("synthetic grid --methods NPO,GA", "--set", "beta=1 NPO.beta=1 gama=1 x", "--set"),
]

TRANSFORMER = [
    *_each("synthetic transformer --quick", "--part", "'' laws law,,methods x"),
    *_each("synthetic transformer --quick", "--betas", "nan inf 0 -1 x 1,1 ,"),
    *_each("synthetic transformer --quick", "--seeds", "x -1 1,1 1.5 , 9223372036854775808"),
    *_each("synthetic transformer --quick", "--methods", "'' NPQ x.py:f"),
    *_each("synthetic transformer --quick", "--optimizers", "'' SGDD gd,,Adam SGD:lr=x LBFGS SGD,sgd"),
    *_each("synthetic transformer --quick --part methods", "--set", "'' x NPO.gamma=1 gama=1 NPO.beta=0", ""),
    Case("synthetic transformer: --set left out", "synthetic transformer --part law --set beta=1", "--set"),
    Case("synthetic transformer: left out", "synthetic transformer --part law --methods GA", "--methods"),
]

THEORY = [
    *_each("theory proposition-1", "--seed", "-1 x 1.5 '' 9223372036854775808 nan"),
    Case("theory: a near miss", "theory propostion-1", "Did you mean proposition-1?"),
    Case("theory: nothing like it", "theory zzz", "zzz"),
    Case("theory: empty", ["theory", ""], "theorem"),
    Case("theory: two", "theory proposition-1 theorem-2", "theorem-2"),
    Case("theory: markup", ["theory", "[/b]"], "[/b]"),
    Case("doctor: a word too much", "doctor now", "now"),
    Case("doctor: an unknown option", "doctor --fix", "--fix"),
    Case("ls: a near miss", "ls recipe", "recipe"),
    Case("ls: empty", ["ls", ""], "list"),
    Case("ls: markup", ["ls", "[/b]"], "[/b]"),
    Case("npo: an unknown verb", "runn", "runn"),
    Case("npo: an unknown verb of a group", "synthetic logistics", "logistics"),
    Case("npo: an empty verb", [""], "command"),
    Case("model: an unknown verb", "model put x", "put"),
]

REPRODUCE = [
    *_each("reproduce --quick", "--only", "'' theroy llm,theory X"),
    *[
        Case(f"reproduce {key}", ["reproduce", "--quick", "--only", key.partition(".")[0], *key.split(" ")], says)
        for key, says in {
            "theory.seed=nan": "theory.seed",
            "theory.seed=": "theory.seed",
            "theory.seed=²": "theory.seed",
            "theory.beta=nan": "beta",
            "theory.beta=0x1": "theory.beta",
            "theory.steps=99999999999999": "steps",
            "theory.": "theory.",
            "theory.=1": "theory",
            "theory.seed.x=1": "theory.seed.x",
            "logistic.alphas=,": "logistic.alphas",
            "logistic.alphas=0,0": "alphas",
            "logistic.seeds=x": "logistic.seeds",
            "logistic.steps=0": "logistic.steps",
            "logistic.steps=1e3": "logistic.steps",
            "transformer.seeds=1,1": "seeds",
            "transformer.shape=3": "transformer.shape",
            "transformer.shape.layers=-1": "layers",
            "transformer.shape.width=99999999999": "width",
            "llm.model.base=/no/where": "/no/where",
            "llm.seed=-1": "seed",
            "llm.finetune.lr=nan": "finetune.lr",
            "llm.finetune=3": "finetune",
            "llm.unlearn.methods=[GA,GA]": "unlearn",
            "llm.nowhere.x=1": "nowhere",
            "llm.data=": "data",
        }.items()
    ],
    Case("reproduce: a fault of a later step first", "reproduce --quick llm.model.base=/no/where", "/no/where"),
    Case("reproduce: data that is nowhere", "reproduce --quick --only llm --data nowhere", "nowhere"),
    Case("reproduce: data that is a file", "reproduce --quick --only llm --data f", "f", {"f": "x"}),
]

OWN = [
    *[replace(c, files=FILES) for c in (
        *_each(FORGET, "--lr", NUMBERS),
        *_each(FORGET, "--beta", NUMBERS),
        *_each(FORGET, "--retain-weight", "nan inf -1 x"),
        *_each(FORGET, "--epochs", "0 -1 x 1.5"),
        *_each(FORGET, "--batch", "0 x"),
        *_each(FORGET, "--piece", "0 x"),
        *_each(FORGET, "--lora", "0 -1 x 1000000000000", "lora"),
        *_each(FORGET, "--prompt", "'' Plain llama chat", "prompt"),
        *_each(FORGET, "--device", "'' CPU gpu cuda cuda:0 tpu", "device"),
        *_each(FORGET, "--dtype", "'' fp16 float64 int8", "dtype"),
        *_each(FORGET, "--seed", "-1 x 9223372036854775808 99999999999999999999", "seed"),
        *_each(FORGET, "--method", "'' NPQ NPO+ GA,NPO x.py:f", "--method"),
        *_each(FORGET, "--method", "NPO+RT NPO+KL DPO+RT", "--retain"),
        *_each(FORGET, "--seeds", "'' 1,,2 1,1 0,-1 x 1.5", "--seeds"),
        *_each(FORGET, "--set", "'' beta= gama=1 beta=nan GA.beta=1 NPO.gamma=1 x", "--set"),
        *_each(FORGET, "--metrics", "'' , rougue x.py:f rouge,,rouge1", ""),
        *_each(FORGET, "--metrics", "truth_share probability_among forget_truth_ratio", "needs a perturbed_answer"),
        *_each(FORGET, "--metrics", "paraphrase_probability", "needs a paraphrased_answer"),
        *_each(FORGET, "--retain", "nowhere.jsonl", "nowhere.jsonl"),
        *_each(FORGET, "--retain", ".", "a folder"),
        *_each(FORGET, "--retain", "rows.jsonl ''", "retain"),
    )],
    Case("forget: no model", "forget rows.jsonl --out o", "--model", FILES),
    Case("forget: no out", "forget rows.jsonl --model model", "--out", FILES),
    Case("forget: β twice", f"{FORGET} --beta 1 --set beta=2", "say the same", FILES),
    Case("forget: a method twice", f"{FORGET} --method NPO --method npo", "more than once", FILES),
    Case(
        "forget: mistakes of every option", f"{FORGET} --set gama=1 --metrics rougue --lr nan --method SimNPO",
        ("SimNPO takes beta, gamma", "Did you mean gamma?", "rougue", "--lr"), FILES,
    ),
    Case("forget: two mistakes", f"{FORGET} --lr nan --beta -1", ("--lr", "--beta"), FILES),
]  # fmt: skip

SWEEP = [
    *_each("sweep quick", "--cluster", "'' pbs Local"),
    *_each("sweep quick --cluster local", "--gpus", "-1 x"),
    *_each("sweep quick --cluster local", "--hours", "0 x"),
    *_each("sweep quick --cluster local", "--parallel", "0 x"),
    Case("sweep: no such recipe", "sweep quik --cluster local --out o", "Did you mean quick?"),
    Case("sweep: a mistake in the recipe", "sweep quick finetune.lr=nan --cluster local --out o", "finetune.lr"),
    Case("sweep: no slurm", "sweep quick --out o", "SLURM"),
    *_each("model get smollm2-135m", "--source", "'' pip Hub"),
    Case("model get: a near miss", "model get smollm2-135", "smollm2-135m"),
    Case("model get: empty", ["model", "get", ""], "model"),
    Case("model get: a path", "model get ../x", "../x"),
]

AUDIT_WORDS = "audit model --forget rows.jsonl --out o --device cpu"
AUDIT = [
    *[replace(c, files=FILES) for c in (
        *_each(AUDIT_WORDS, "--families", "'' memorization membership,,prompts"),
        *_each(AUDIT_WORDS, "--max-length", "0 1 x 1.5"),
        *_each(AUDIT_WORDS, "--holdout", "nowhere.jsonl . rows.jsonl", ""),
        *_each(AUDIT_WORDS, "--retrained", "nowhere rows.jsonl ''"),
        *_each(AUDIT_WORDS, "--recipe", "quik ''", ""),
        *_each(AUDIT_WORDS, "--dtype", "'' fp16", "dtype"),
    )],
    *[
        Case(f"audit: {word}", f"{AUDIT_WORDS} {word}", word.partition("=")[0], FILES, integration=i > 2)
        for i, word in enumerate((
            "audit.min_k=nan", "audit.draws=0", "audit.ks=[99]", "audit.temperature=0", "audit.families=[]",
            "audit.gradients=-1", "audit.answers=1.5", "audit.=1", "audit.seed=-1",
        ))
    ],
    Case("audit: no rows", "audit model --out o", "--forget FILE", FILES),
    Case("audit: two mistakes", f"{AUDIT_WORDS} --retrained nowhere audit.x=1", ("--retrained", "audit.x"), FILES),
]  # fmt: skip

ATLAS = [
    *_each("try NPO --quick --out o", "--beta", NUMBERS, "beta"),
    *_each("try SimNPO --quick --out o", "--set", "'' = beta beta= =1 beta=x beta=nan beta=0 gama=1 NPO.beta=1", ""),
    *_each("try GA --quick", "--out", "''"),
    Case("try: nothing", "try", "FILE.py:NAME"),
    Case("try: empty", ["try", ""], "Unknown method"),
    Case("try: two", "try GA NPO --quick --out o", "NPO"),
    *_each("atlas NPO", "--beta", NUMBERS, "beta"),
    *_each("atlas SimNPO", "--set", "'' = beta beta= =1 beta=x beta=nan beta=0 gama=1 NPO.beta=1", ""),
    *_each("atlas GA", "--out", "''"),
    *_each("atlas GA", "--optimizer", "'' x Lion Adam,GD"),
    Case("atlas: a near miss", "atlas SimNPQ", "Did you mean SimNPO"),
    Case("atlas: empty", ["atlas", ""], "no such loss"),
    Case("atlas: a file", "atlas x.py", "names a file and no function in it"),
    Case("atlas: no file", "atlas x.py:f", "there is no file x.py"),
]

CASES = [*LOGISTIC, *GRID, *TRANSFORMER, *THEORY, *REPRODUCE, *OWN, *SWEEP, *AUDIT, *ATLAS]


@pytest.mark.parametrize("case", params(CASES))
@pytest.mark.usefixtures("short_fit")
def test_an_option(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
