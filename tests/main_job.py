"""The main job in its quick form, run once for all tests that look at what it leaves; `make test` has a smaller one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from in_process import npo
from small_recipe import SMALL

if TYPE_CHECKING:  # theory may be imported only after the check of its shapes is set up
    from matplotlib.figure import Figure

    from synthetic.transformer.presets import TransformerPreset

__all__ = ["NPO", "SIZES", "WHOLE", "WORDS", "environment", "preset", "run"]

NPO = [sys.executable, "-m", "npo.cli"]
WHOLE = pytest.param("whole", marks=pytest.mark.integration)
SIZES = ("smaller", WHOLE)

TRANSFORMER = {
    "shape.width": "32",
    "shape.layers": "1",
    "law.steps": "120",
    "law.set_until": "12",
    "loss_times.most": "4",
    "practice.steps": "8",
    "optimizers.steps": "40",
    "methods.steps": "6",
    "methods.adam_steps": "8",
    "methods.per_decade": "1",
    "beta.steps": "8",
}
SMALLER = (
    *("logistic.fit_steps=300", "logistic.steps=500", "logistic.figure3_steps=400", "logistic.beta_steps=400"),
    *("logistic.loss_times_most=4", "logistic.practice_steps=8"),
    *("logistic.relearning_paces=2", "logistic.relearning_most=8"),
    *(f"transformer.{key}={value}" for key, value in TRANSFORMER.items()),
    *(f"llm.{word}" for word in SMALL),
)
"""What makes a quick run still quicker: fewer steps, a transformer of one layer, the small language model."""

WORDS = {"smaller": SMALLER, "whole": ()}


def preset(size: str) -> "TransformerPreset":
    """How much of the transformer's room it runs."""
    from records.settings import override
    from synthetic.transformer.presets import QUICK

    return override(QUICK, TRANSFORMER, label="transformer") if size == "smaller" else QUICK


def environment(*, data: bool = False) -> dict[str, str]:
    """That of this process, without the real rows unless they are wanted."""
    return {key: value for key, value in os.environ.items() if data or key != "NPO_DATA"}


def run(size: str, out: Path) -> None:
    """Run it into `out` on fictitious authors, and keep what it printed beside."""
    printed = _in_this_process(out, *WORDS[size]) if size == "smaller" else _in_one_of_its_own(out)
    (out / "stdout").write_text(printed, encoding="utf8")


def _in_this_process(out: Path, *words: str) -> str:
    """Figures without layout, PNG and the numbers along their axes, which is most of their time: others draw all."""
    from figures import canvas

    lines = canvas.STYLE.read_text(encoding="utf8").splitlines()
    style = out.with_name("plain.mplstyle")
    plain = [line for line in lines if not line.startswith(("figure.constrained", "svg.fonttype"))]
    style.write_text("\n".join([*plain, "svg.fonttype: none"]), encoding="utf8")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NPO_DATA", raising=False)
        patch.setattr(canvas, "STYLE", style)
        patch.setattr(canvas, "_written", _without_numbers)
        code, printed, err = npo("reproduce", "--quick", *words, "--out", str(out))
    assert code == 0, err
    return printed


def _without_numbers(figure: "Figure", file: Path, **how: Any) -> None:
    """Write a figure's SVG alone, without the numbers along its axes."""
    from matplotlib.ticker import NullFormatter, NullLocator

    if file.suffix == ".png":
        return
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(NullFormatter())
    figure.savefig(file, **how)


def _in_one_of_its_own(out: Path) -> str:
    command = [*NPO, "reproduce", "--quick", "--out", str(out)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
