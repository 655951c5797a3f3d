"""Settings for all tests: hypothesis profiles, one thread, and where things are."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=40, deadline=None)
settings.register_profile(
    "ci", max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "mutants", max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("thorough", max_examples=1000, deadline=timedelta(seconds=10))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

torch.set_num_threads(1)  # models this small only wait for each other on two, by a factor of 100 on a busy machine

ROOT = Path(__file__).resolve().parent.parent


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
