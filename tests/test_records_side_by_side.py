"""Units side by side: the order of needs, the same results, and what a failure, a kill and Ctrl-C leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from working import add, fail, killed, nothing

from records import cores as cores_file
from records.cores import cores
from records.errors import UserError
from records.side_by_side import run_side_by_side, spared
from records.store import load
from records.work import Progress, Unit, missing, run_missing, silent


def _unit(name: str, number: float, *needs: str, lasts: float = 0.0, meets: Path | None = None, **facts: float) -> Unit:
    return Unit(name, {"number": number}, partial(add, number=number, lasts=lasts, meets=meets), needs, **facts)


def _diamond(meets: Path | None = None) -> list[Unit]:
    between = [_unit(name, number, "a", meets=meets) for name, number in (("b", 0.2), ("c", 0.3))]
    return [_unit("a", 0.1), *between, _unit("d", 0.4, "b", "c")]


def _run(units: list[Unit], out: Path, workers: int = 2) -> list[str]:
    """Run them; the names as they were started, kept ones in brackets."""
    told: list[str] = []

    def started(unit: Unit, cached: bool) -> Progress:
        told.append(f"({unit.name})" if cached else unit.name)
        return silent

    run_side_by_side(units, out, started, workers=workers, prepare=nothing)
    return told


def _rest(out: Path) -> list[str]:
    """What lies in a run folder beside finished units and locks."""
    return sorted(path.name for path in out.iterdir() if path.name.startswith(".") and path.name != ".locks")


def test_results_are_those_of_one_process_and_independent_units_run_at_once(tmp_path: Path) -> None:
    place = tmp_path / "meet"
    place.mkdir()
    run_missing(_diamond(), tmp_path / "one")
    assert _run(_diamond(place), tmp_path / "two") == ["a", "b", "c", "d"]
    times, processes = {}, set()
    for name in "abcd":
        one, two = load(tmp_path / "one" / name), load(tmp_path / "two" / name)
        assert one.arrays["sum"] == two.arrays["sum"]
        assert (tmp_path / "one" / name / "data.npz").read_bytes() == (
            tmp_path / "two" / name / "data.npz"
        ).read_bytes()
        times[name] = two.values["times"]
        processes.add(two.values["process"])
    assert times["a"][1] < min(times["b"][0], times["c"][0])
    assert max(times["b"][1], times["c"][1]) < times["d"][0]
    assert os.getpid() not in processes
    assert len(processes) == 2
    assert not missing(_diamond(), tmp_path / "one")
    assert _run(_diamond(place), tmp_path / "two") == ["(a)", "(b)", "(c)", "(d)"]


def test_what_wants_the_machine_is_run_here_with_nothing_beside_it(tmp_path: Path) -> None:
    units = [_unit("big", 1, alone=True), _unit("small", 2, lasts=0.3), _unit("last", 3, "big", alone=True)]
    assert _run(units, tmp_path) == ["small", "big", "last"]
    spans = [load(tmp_path / name).values for name in ("small", "big", "last")]
    assert all(one["times"][1] <= two["times"][0] for one, two in pairwise(spans))
    assert [one["process"] == os.getpid() for one in spans] == [False, True, True]


def test_the_longest_chain_starts_first(tmp_path: Path) -> None:
    units = [_unit("short", 1), _unit("long", 2, seconds=9), _unit("first", 3), _unit("second", 4, "first", seconds=20)]
    assert _run(units, tmp_path, workers=1) == ["first", "second", "long", "short"]
    assert spared(units, 2) == 31 - 21
    assert spared(units, 1) == 0
    assert spared([_unit("a", 1, seconds=5, alone=True), _unit("b", 1, seconds=5)], 2) == 0


def test_where_one_fails_those_at_work_are_kept_and_no_other_starts(tmp_path: Path) -> None:
    units = [Unit("bad", {}, fail, seconds=9), _unit("good", 1, lasts=1, seconds=9), _unit("later", 2, "good")]
    with pytest.raises(UserError, match=r"^lr: choose another\.$"):
        _run(units, tmp_path)
    assert [unit.name for unit in missing(units, tmp_path)] == ["bad", "later"]
    assert _rest(tmp_path) == []


def test_a_process_that_is_killed_is_told_and_nothing_finished_is_lost(tmp_path: Path) -> None:
    units = [_unit("first", 1), Unit("dies", {}, killed, ("first",)), _unit("other", 3, "first", lasts=30)]
    with pytest.raises(UserError, match=r"dies.*was killed, most often because memory ran out.*NPO_WORKERS=1"):
        _run(units, tmp_path)
    assert [unit.name for unit in missing(units, tmp_path)] == ["dies", "other"]
    mended = [units[0], _unit("dies", 2, "first"), _unit("other", 3, "first")]
    assert _run(mended, tmp_path) == ["(first)", "dies", "other"]
    assert _rest(tmp_path) == []


SCRIPT = """
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from records.side_by_side import run_side_by_side
from records.work import Unit, silent
from working import hang, nothing

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    out = Path(sys.argv[1])
    units = [Unit(name, {}, partial(hang, said=out / f"{name}.said")) for name in "ab"]
    run_side_by_side(units, out / "run", lambda unit, cached: silent, workers=2, prepare=nothing)
"""


@pytest.mark.integration
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_first_and_checkpoints_stay(root: Path, tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    path = os.pathsep.join([str(root), str(root / "tests")])
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    job = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True)
    said = [tmp_path / "a.said", tmp_path / "b.said"]
    _until(lambda: all(file.is_file() and file.read_text() for file in said))
    job.send_signal(how)
    _, errors = job.communicate()
    workers = [int(file.read_text()) for file in said]
    _until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    assert ("KeyboardInterrupt" in errors) == (how == signal.SIGINT)
    left = list((tmp_path / "run").glob(".?.*"))
    assert len(left) == 2
    for folder in left:
        assert (folder / "checkpoint" / "weights").is_file()
        assert (folder / "rest").exists() == (
            how == signal.SIGKILL
        )  # as after a kill of one process; the next run clears it


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 900  # of what never comes: a busy machine may take long
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_container_has_the_cores_that_it_has_time_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(cores_file, "_QUOTA", quota)
    there = cores()
    for said, found in (("max 100000", there), ("100000 100000", 1), ("50000 100000", 1), ("99900000 100000", there)):
        quota.write_text(said)
        assert cores() == found
