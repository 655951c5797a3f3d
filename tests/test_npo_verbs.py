"""`npo doctor` and `npo theory`: what they print, and with which exit code they end."""

from collections.abc import Callable

import pytest

from npo.verbs import doctor


def test_doctor_examines_this_machine(run_npo: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = run_npo("doctor")
    assert code == 0
    for what in ("python", "torch", "jinja2", "transformers  [scale]", "numba  [fast]", "GPU", "float64, float32"):
        assert what in out


def test_doctor_knows_what_the_project_asks_for() -> None:
    found = doctor.dependencies()
    assert found["torch"] == [""]
    assert found["accelerate"] == ["scale"]
    assert set(found["ipywidgets"]) == {"notebooks", "dev"}


def test_doctor_tries_each_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert doctor.precisions("cpu")[:2] == ["float64", "float32"]
    real: Callable[..., torch.Tensor] = torch.ones

    def without_half(*shape: int, dtype: torch.dtype, device: str) -> torch.Tensor:
        if dtype is torch.float16:
            raise RuntimeError("not implemented for 'Half'")
        return real(*shape, dtype=dtype, device=device)

    monkeypatch.setattr(torch, "ones", without_half)
    assert "float16" not in doctor.precisions("cpu")


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "accelerate" else real(name))
    assert doctor.examine() == 1
    assert "Absent: accelerate. For it: pip install -e '.[scale]'" in capsys.readouterr().out


def test_only_what_the_main_job_needs_makes_doctor_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = doctor._version
    for absent, code in (("numba", 0), ("torch", 1), ("npo-playground", 1)):
        monkeypatch.setattr(doctor, "_version", lambda name, absent=absent: None if name == absent else real(name))
        assert doctor.examine() == code
        out = capsys.readouterr().out
        assert ("Problem: " in out) == bool(code)
        assert absent in out


def test_theory_lists_and_checks(run_npo: Callable[..., tuple[int, str, str]]) -> None:
    from theory.theorems.catalogue import CATALOGUE

    code, out, _ = run_npo("theory")
    assert code == 0
    assert all(name in out for name in CATALOGUE)
    code, out, _ = run_npo("theory", "intrinsic-time", "--seed", "4")
    assert code == 0
    assert "hypotheses: met" in out
    assert "holds at" in out
    code, out, _ = run_npo("theory", "slips")
    assert code == 0
    assert "XX" in out


def test_theory_exits_with_1_where_a_theorem_fails(
    monkeypatch: pytest.MonkeyPatch, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    import dataclasses

    from theory.theorems.catalogue import CATALOGUE
    from theory.theorems.theorem import Bounds

    exhibit = CATALOGUE["proposition-1"]
    never = dataclasses.replace(exhibit.theorem, predict=lambda instance, at: Bounds(at + 1e9, at + 1e10))
    monkeypatch.setitem(CATALOGUE, "proposition-1", dataclasses.replace(exhibit, theorem=never))
    code, out, _ = run_npo("theory", "proposition-1")
    assert code == 1
    assert "FAILS" in out


def test_an_instance_that_can_not_be_built_is_told(
    monkeypatch: pytest.MonkeyPatch, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    import dataclasses

    from theory.theorems.catalogue import CATALOGUE
    from theory.theorems.theorem import HypothesisError

    def instance(seed: int) -> object:
        raise HypothesisError("no such instance")

    monkeypatch.setitem(CATALOGUE, "proposition-1", dataclasses.replace(CATALOGUE["proposition-1"], instance=instance))
    code, _, err = run_npo("theory", "proposition-1")
    assert code == 2
    assert err == "npo: hypotheses not met: no such instance\n"
