"""Settings for all tests: hypothesis profiles, one thread, and where things are.

The shapes of theory's arguments are checked in `tests/test_theory_*.py`, in doctests, and in the integration and slow
tiers. Elsewhere they are not, which saves a third of the time of tests that train.
"""

import gc
import os
import sys
from collections.abc import Callable, Generator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's library is imported; no test may reach a network
os.environ["NPO_WORKERS"] = "1"  # what a test puts in the place of a function must be seen by the unit

import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from main_job import SIZES, run
from unchecked import unchecked

settings.register_profile("dev", max_examples=40, deadline=None)
settings.register_profile(
    "ci", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "mutants", max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("thorough", max_examples=1000, deadline=timedelta(seconds=10))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

gc.disable()  # until all is imported, see below
torch.set_num_threads(1)  # models this small only wait for each other on two, by a factor of 100 on a busy machine

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """What is imported stays: looking for garbage in it, millions of objects, took a sixteenth of all time."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """One test and its fixtures, with theory's shapes checked or not."""
    heavy = any(item.get_closest_marker(tier) for tier in ("integration", "slow"))
    with nullcontext() if heavy or item.path.name.startswith("test_theory_") else unchecked():
        return (yield)


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture
def tofu() -> Path:
    """The folder of the real TOFU files."""
    if not os.environ.get("NPO_DATA"):
        pytest.skip("NPO_DATA is unset: it names the folder of the real TOFU files")
    return Path(os.environ["NPO_DATA"])


@pytest.fixture
def run_npo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command with these words, in this process: exit code, standard output, standard error."""
    from npo.cli import main

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["npo", *words])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def short_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """π_ref and π_retr of `npo synthetic logistic` from few steps, to save time."""
    from npo.verbs.synthetic import logistic_rooms as rooms

    real = rooms.problem_from_arrays
    monkeypatch.setattr(rooms, "problem_from_arrays", lambda **given: real(**{**given, "fit_steps": 100}))


@pytest.fixture
def tiny_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rooms of `npo try`, quick or not, at the least size."""
    from npo.verbs.losses import try_loss
    from synthetic.transformer.presets import Methods

    size = try_loss.QUICK_SIZE
    shape = replace(size.transformer.shape, max_steps=15, target=0.1, width=16, heads=2)
    methods = Methods(steps=4, adam_steps=3, batch=5, per_decade=1, seeds=1, overlaps=(0.5,))
    small = replace(
        size,
        logistic=replace(size.logistic, fit_steps=50, steps=20, every=10),
        transformer=replace(size.transformer, shape=shape, methods=methods),
    )
    monkeypatch.setattr(try_loss, "QUICK_SIZE", small)
    monkeypatch.setattr(try_loss, "FULL_SIZE", small)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """A folder that the first worker to ask for it makes, and the others find made."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared

    def folder(name: str, make: Callable[[Path], None]) -> Path:
        made = shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not made.exists():
                (shared / name).mkdir(exist_ok=True)
                make(shared / name)
                made.touch()
        return shared / name

    return folder


@pytest.fixture(scope="session", params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    """How large the main job is that tests look at: the quick one belongs to `make test-integration`."""
    return str(request.param)


@pytest.fixture(scope="session")
def quick(size: str, once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """A quick run of everything on fictitious authors, of one size."""
    return once(f"main-job-{size}", partial(run, size))


@pytest.fixture(scope="session")
def prepared(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Small whole things that malformed inputs are made of: see tests/malformed_things.py."""
    from malformed_things import prepare

    return once("prepared", prepare)
