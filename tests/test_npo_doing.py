"""What a long command says it is doing: phases and steps in their order, on a terminal, in a file, to nobody."""

import io
import time

import pytest
from rich.console import Console
from small_recipe import SMALL

from npo.running import units as running
from npo.running import waiting as waits
from npo.running.units import run_units
from npo.running.waiting import waiting
from records.doing import doing, heard_by
from records.work import Unit
from scale.recipes.file import read_recipe
from scale.runtime.processes import Processes
from scale.stages.pipeline import units
from scale.training.pace import at_a_pace


def _says(folder, inputs, progress):
    doing("loading the model")
    for i in range(1, 4):
        doing(f"step {i} of 3", often=True)


def _shown(monkeypatch, tmp_path, *, terminal):
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=100)
    monkeypatch.setattr(running, "Console", lambda **given: console)
    run_units([Unit("one", {}, _says), Unit("two", {}, _says)], tmp_path, "all")
    return written.getvalue()


def test_nobody_has_to_hear():
    doing("anything")


def test_the_innermost_hears_until_it_has_gone():
    heard = []
    with heard_by(lambda words, often: heard.append(("outer", words))):
        with heard_by(lambda words, often: heard.append(("inner", words))):
            doing("a")
        doing("b")
    doing("c")
    assert heard == [("inner", "a"), ("outer", "b")]


def test_in_a_file_there_is_a_line_for_each_phase_and_seldom_one_for_a_step(monkeypatch, tmp_path):
    said = [line.rstrip() for line in _shown(monkeypatch, tmp_path, terminal=False).splitlines()]
    assert said[:3] == ["1/2 one: running", "  one: loading the model", "2/2 two: running"]
    assert not any("step" in line for line in said)


def test_where_steps_are_long_each_has_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(running, "SELDOM", -1.0)
    said = _shown(monkeypatch, tmp_path, terminal=False)
    assert "  two: step 3 of 3\n" in said


def test_on_a_terminal_the_unit_s_line_says_it(monkeypatch, tmp_path):
    monkeypatch.setattr(running.Bars, "update", _slow(running.Bars.update))
    said = _shown(monkeypatch, tmp_path, terminal=True)
    assert "one: loading the model" in said
    assert "running" not in said


def _slow(update):
    def after_a_frame(self, *words, **given):
        update(self, *words, **given)
        self.refresh()

    return after_a_frame


def test_an_unlearning_run_says_what_it_does_in_order(tmp_path):
    heard = []
    todo = units(read_recipe("quick", [*SMALL, "unlearn.methods=NPO+RT", "evaluate=end"]), Processes("cpu"))
    with heard_by(lambda words, often: heard.append(words)):
        from records.work import run_missing

        run_missing(todo, tmp_path)
    phases = [words.partition(",")[0] for words in heard]
    mine = phases[phases.index("loading the model", phases.index("examining it", phases.index("examining it") + 1)) :]
    steps = [words for words in mine if words.startswith("step ")]
    assert [words for words in mine if words not in steps] == [
        "loading the model",
        "reading the rows",
        "states of the reference",
        "log-probabilities of the reference",
        "training",
        f"examining after step {len(steps)}",
    ]
    assert steps == [f"step {i} of {len(steps)}" for i in range(1, len(steps) + 1)]


@pytest.mark.parametrize("terminal", [True, False])
def test_something_is_shown_on_a_terminal_while_libraries_load(monkeypatch, terminal):
    written = io.StringIO()
    monkeypatch.setattr(waits, "Console", lambda **given: Console(file=written, force_terminal=terminal))
    with waiting("loading the libraries"):
        time.sleep(0.2)
    assert ("loading the libraries" in written.getvalue()) == terminal


def test_a_pace_is_told_by_what_takes_a_second_or_more():
    assert at_a_pace(1, 2, 1.0) == "step 1 of 2, 1 s a step"
    assert at_a_pace(1, 2, 0.0).startswith("step 1 of 2, 1e+09 steps")
