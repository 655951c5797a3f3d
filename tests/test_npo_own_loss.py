"""A forget loss of one's own on the command line: every mistake in it is told in words, and a right one runs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synthetic.logistic import load_trajectories

LOSSES = {
    "an unknown quantity": ("def f(logits): return logits", "no quantity is called logits; there are logp, ref_logp"),
    "an exception": ("def f(logp): return logp + torch.ones(7)", "it raised RuntimeError: The size of tensor a"),
    "a name that is not there": ("def f(logp): return lgop", "it raised NameError: name 'lgop' is not defined"),
    "numpy": ("def f(logp): return logp.detach().numpy()", "it returns ndarray, not a torch tensor"),
    "a number": ("def f(logp): return 1.0", "it returns float, not a torch tensor"),
    "a mean": ("def f(logp): return logp.mean()", "it returns shape () for 3 examples: return one loss for each"),
    "a wrong shape": ("def f(logp): return logp[:, None]", "it returns shape (3, 1) for 3 examples"),
    "no gradient": ("def f(logp): return logp.detach()", "its loss has no gradient"),
    "one unused": ("def f(logp, logp_win): return logp", "its loss does not depend on logp_win"),
    "not finite": ("def f(logp): return torch.log(logp)", "is not finite at logp = [-0.4"),
    "a positional β": ("def f(logp, beta): return beta * logp", "beta must be keyword-only: write `*, beta`"),
    "a default β": ("def f(logp, beta=1.0): return beta * logp", "beta must be keyword-only: write `*, beta`"),
    "a quantity with a default": ("def f(logp, ref_logp=0): return logp", "ref_logp would always keep its default"),
    "another hyperparameter": ("def f(logp, *, c): return c * logp", "nothing gives a value to c: give it a default"),
    "z_ref without β": ("def f(logp, z_ref): return logp - z_ref", "z_ref is β times a mean KL, so beta must be a"),
    "nothing that moves": ("def f(ref_logp): return ref_logp", "it takes none of logp, logp_win, logp_lose"),
    "any words": ("def f(**given): return given['logp']", "**given can't be filled by name"),
    "no signature": ("f = dict", "its parameters can't be read"),
    "a wrong closed form": (
        "def f(logp): return 2 * logp\n\ndef f_weight(logp): return torch.ones_like(logp)",
        "the gradient weight beside it is not its derivative by logp",
    ),
    "a failing closed form": ("def f(logp): return logp\n\ndef f_weight(x): return x", "its gradient weight failed"),
    "an end": ("raise SystemExit(0)", "failed to load: SystemExit"),
}


@pytest.mark.parametrize("mistake", LOSSES)
def test_a_mistake_in_ones_own_loss_is_told_before_anything_runs(
    mistake: str, tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    source, message = LOSSES[mistake]
    (tmp_path / "mine.py").write_text(f"import torch\n\n{source}\n")
    name = f"{tmp_path}/mine.py:f"
    code, out, err = run_npo("synthetic", "logistic", "--method", name, "--out", str(tmp_path / "o"))
    assert code == 2
    assert f"npo: --methods {name}" in err
    assert message in err
    assert "Traceback" not in out + err
    assert not (tmp_path / "o").exists()


@pytest.mark.usefixtures("short_fit")
def test_what_fails_only_on_the_way_is_told_too(tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "mine.py").write_text("def f(logp):\n    assert len(logp) == 3, 'three!'\n    return logp\n")
    code, _, err = run_npo("synthetic", "logistic", "--method", f"{tmp_path}/mine.py:f+kl", "--out", str(tmp_path))
    assert code == 2
    assert err.endswith("mine.py:f+kl: it raised AssertionError: three!\n")


@pytest.mark.usefixtures("short_fit")
def test_logistic_runs_ones_own_loss_beside_the_paper_s(
    tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "mine.py").write_text(
        "import torch\n\n\ndef loss(logp, ref_logp, *, beta: float):\n"
        "    return 2 / beta * torch.log1p(torch.exp(beta * (logp - ref_logp)))\n"
    )
    own = f"{tmp_path}/mine.py:loss+rt"
    words = (
        "--method",
        "NPO+RT",
        "--method",
        own,
        "--beta",
        "1",
        "--steps",
        "50",
        "--seed",
        "1000",
        "--out",
        str(tmp_path / "out"),
    )
    code, out, _ = run_npo("synthetic", "logistic", *words)
    assert code == 0
    assert "NPO+RT" in out
    runs = load_trajectories(tmp_path / "out" / "1000")
    assert list(runs) == ["NPO+RT", own]
    assert abs(runs["NPO+RT"].forget_distance - runs[own].forget_distance).max() < 1e-12
