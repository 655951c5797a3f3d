"""`npo try`: what is said of a loss's contract is so, and one small run leaves all that was promised."""

import json
import math
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from npo.running.answers_drawn import drawn, first_alone, with_answer_at
from npo.running.contract import contract, pull_down
from npo.running.own_loss import own_kernel
from npo.verbs.losses import try_loss
from npo.verbs.losses.try_choices import room_units, tried_loss
from records.work import missing
from theory import losses
from theory.kernel import gradient_weights, needs
from theory.quantities import QUANTITIES

RunNpo = Callable[..., tuple[int, str, str]]
OWN = """from torch.nn.functional import softplus


def my_loss(logp, ref_logp, *, beta: float):
    return softplus({}) / beta
"""


def _broken(kernel: Callable[..., Tensor]) -> dict[str, str]:
    return {finding.about: finding.said for finding in contract(kernel) if finding.verdict != "kept"}


LOSSES: dict[str, tuple[Callable[..., Tensor], str, str]] = {
    "infinite at certainty": (lambda logp: torch.log1p(-logp.exp()), "extremes", "not finite at log π = 0 a token"),
    "too large for float32": (lambda logp: (-logp.clamp(min=-300)).exp(), "extremes", "float32 (loss inf)"),
    "held fixed": (lambda logp: logp.exp().detach() * logp, "gradient", "a factor of it is held fixed (detach)"),
    "a mean of the batch": (lambda logp: logp - logp.mean(), "one by one", "depends on the others of its batch"),
    "drawn anew": (lambda logp: logp * torch.rand(len(logp)), "twice the same", "it draws or remembers"),
    "raises": (lambda token_logp: -token_logp, "sign of the weight", "descent RAISES the answer's probability"),
    "both ways": (lambda logp: (logp + 3).square(), "sign of the weight", "of both signs"),
    "another answer": (lambda logp_win: -logp_win, "sign of the weight", "0: the forget answer's own"),
    "states": (lambda hidden: hidden.square().sum(1), "sign of the weight", "can't be told of hidden states"),
}


@pytest.mark.parametrize("kind", LOSSES)
def test_what_is_odd_about_a_loss_is_found(kind: str) -> None:
    kernel, about, said = LOSSES[kind]
    assert said in _broken(kernel)[about]


def test_the_project_s_losses_keep_the_contract() -> None:
    assert _broken(partial(losses.npo, beta=0.5)) == {}
    assert _broken(losses.ga) == {}
    assert set(_broken(partial(losses.wga, beta=1.0))) == {"gradient"}  # its weight is held fixed, as its paper has it


def test_nan_and_exceptions_at_extremes_are_told_as_findings(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def f(logp):\n    assert logp.min() > -1e4, 'too low'\n    return (1 - logp.exp()).sqrt() * 0 + logp\n"
    )
    said = _broken(own_kernel(f"{tmp_path}/mine.py:f"))["extremes"]
    assert "log π = 0 a token" in said
    assert "more" in said


def test_the_weight_is_that_beside_the_kernel_and_the_same_through_the_logits() -> None:
    rows = drawn(4, torch.float64)
    kernel = partial(losses.npo, beta=0.7)
    assert torch.allclose(pull_down(kernel, rows), gradient_weights(kernel, rows)["logp"])

    def of_logits(logits: Tensor, labels: Tensor) -> Tensor:
        return 3 * torch.log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]

    assert torch.allclose(pull_down(of_logits, rows), torch.full((len(rows["labels"]),), 3.0, dtype=torch.float64))


def test_every_quantity_is_drawn_and_put_where_it_is_asked_for() -> None:
    rows = drawn(3, torch.float32)
    assert rows.keys() == QUANTITIES.keys()
    there = with_answer_at(rows, -2.0, -5.0)
    for name in ("", "ref_"):
        from_logits = torch.log_softmax(there[f"{name}logits"], 1).gather(1, rows["labels"][:, None])[:, 0]
        assert torch.allclose(from_logits, there[f"{name}token_logp"], atol=1e-5)
        assert torch.allclose(there[f"{name}logp"], there[f"{name}token_logp"][0] * rows["count"])
    assert first_alone(rows)["token_logp"].shape == (int(rows["count"][0]),)
    assert needs(losses.npo) == ("logp", "ref_logp")


@pytest.mark.usefixtures("tiny_try")
def test_a_loss_is_tried_and_goes_on_where_it_was_stopped(tmp_path: Path, run_npo: RunNpo) -> None:
    file, out = tmp_path / "mine.py", tmp_path / "out"
    file.write_text(OWN.format("beta * (logp - ref_logp)"))
    words = ("try", f"{file}:my_loss", "--beta", "1", "--quick", "--out", str(out))
    code, said, err = run_npo(*words)
    assert code == 0, err
    assert "sign of the weight" in said
    assert "front missed" in said
    assert "AdamW on minibatches" in said
    facts = json.loads((out / "try.json").read_text())
    assert [finding["verdict"] for finding in facts["contract"]] == ["kept"] * 8
    assert math.isclose(facts["weight"]["my_loss"][-1], facts["weight"]["NPO"][-1] / 2)
    assert (out / "try.png").stat().st_size > 10_000
    assert _missing(file, out) == []
    command = shlex.split(facts["language_model"][0])
    assert run_npo("plan", *command[2:])[0] == 0
    file.write_text(OWN.format("beta * (logp - ref_logp) + 1"))
    assert _missing(file, out) == [
        "logistic/beside-1000",
        "transformer/methods-GD-0.5-0",
        "transformer/methods-AdamW-0.5-0",
    ]


def _missing(file: Path, out: Path) -> list[str]:
    """The units that the same command would run."""
    units, _ = room_units(tried_loss(f"{file}:my_loss", 1.0, ()), try_loss.QUICK_SIZE)
    return [unit.name for unit in missing(units, out)]


@pytest.mark.usefixtures("tiny_try")
def test_a_room_that_has_not_what_a_loss_takes_says_so(tmp_path: Path, run_npo: RunNpo) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import torch\n\ndef f(hidden, *, layer=1): return torch.log(hidden.square().sum(1) - 1e-3)\n")
    code, said, err = run_npo("try", f"{file}:f", "--quick", "--out", str(tmp_path / "out"))
    assert code == 0, err
    assert "not in the logistic room: it takes hidden" in said


def test_a_loss_called_as_a_known_one_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def npo(logp): return logp\n")
    assert tried_loss(f"{tmp_path}/mine.py:npo", None, ()).label == "npo (yours)"


@pytest.mark.integration  # half a minute
def test_the_full_run(tmp_path: Path, run_npo: RunNpo) -> None:
    (tmp_path / "mine.py").write_text(OWN.format("beta * (logp - ref_logp)"))
    code, said, _ = run_npo("try", f"{tmp_path}/mine.py:my_loss", "--beta", "1", "--out", str(tmp_path / "out"))
    assert code == 0
    assert "3 seed(s)" in said
