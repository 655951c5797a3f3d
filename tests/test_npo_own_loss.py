"""A forget loss of one's own on the command line: every mistake in it is told in words, and a right one runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from npo.running.methods import objectives_of
from records.errors import UserError
from records.loader import find_function, load_function
from synthetic.logistic import load_trajectories

LOSSES = {
    "an unknown quantity": ("def f(logit): return logit", "no quantity is called logit; a hyperparameter is keyword-o"),
    "a quantity that is near": ("def f(tokn_logp): return tokn_logp", "write `*, tokn_logp`. Did you mean token_logp?"),
    "one quantity by two names": ("def f(logp, logp_lose): return logp + logp_lose", "logp_lose and logp are the same"),
    "an exception": ("def f(logp): return logp + torch.ones(7)", "it raised RuntimeError: The size of tensor a"),
    "a name that is not there": ("def f(logp): return lgop", "it raised NameError: name 'lgop' is not defined"),
    "numpy": ("def f(logp): return logp.detach().numpy()", "it returns ndarray, not a torch tensor"),
    "a number": ("def f(logp): return 1.0", "it returns float, not a torch tensor"),
    "a mean": ("def f(logp): return logp.mean()", "it returns shape () for 3 examples: return one loss for each"),
    "a wrong shape": ("def f(logp): return logp[:, None]", "it returns shape (3, 1) for 3 examples"),
    "one a token for one an example": (
        "def f(token_logp): return token_logp.sum()[None].expand(3)",
        "it returns shape (3,) for 6 answer tokens: return one loss for each",
    ),
    "a row of logits": ("def f(logits): return logits", "it returns shape (6, 4) for 6 answer tokens"),
    "NaN": ("def f(token_logp): return token_logp * float('nan')", "its loss is NaN at finite token_logp"),
    "no gradient": ("def f(logp): return logp.detach()", "its loss has no gradient"),
    "no gradient of tokens": ("def f(token_logp): return token_logp.detach()", "its loss has no gradient"),
    "one unused": ("def f(logp, logp_win): return logp", "its loss does not depend on logp_win"),
    "not finite": ("def f(logp): return 1 / (logp - logp)", "is not finite at logp = [-0.4"),
    "NaN of a logarithm": ("def f(logp): return torch.log(logp)", "its loss is NaN at finite logp"),
    "a positional β": ("def f(logp, beta): return beta * logp", "beta must be keyword-only: write `*, beta`"),
    "a default β": ("def f(logp, beta=1.0): return beta * logp", "beta must be keyword-only: write `*, beta`"),
    "a quantity with a default": ("def f(logp, ref_logp=0): return logp", "ref_logp would always keep its default"),
    "a hyperparameter without a value": (
        "def f(logp, *, c): return c * logp",
        "nothing gives a value to c: give it a default",
    ),
    "two of them": ("def f(logp, *, c, d): return logp", "nothing gives a value to d: give it a default"),
    "z_ref without β": ("def f(logp, z_ref): return logp - z_ref", "z_ref is β times a mean KL, so beta must be a"),
    "nothing that moves": ("def f(ref_logp): return ref_logp", "it takes none of logp, logp_lose, logp_win"),
    "nothing that moves among integers": ("def f(count, labels): return labels", "it takes none of logp, logp_lose"),
    "states of no layer": ("def f(hidden): return hidden.sum(1)", "hidden states are those after the block `layer`"),
    "any words": ("def f(**given): return given['logp']", "**given can't be filled by name"),
    "no signature": ("f = dict", "its parameters can't be read"),
    "a wrong closed form": (
        "def f(logp): return 2 * logp\n\ndef f_weight(logp): return torch.ones_like(logp)",
        "the gradient weight beside it is not its derivative by logp",
    ),
    "a wrong closed form of tokens": (
        "def f(token_logp, position): return token_logp * position\n\n"
        "def f_weight(token_logp, position): return torch.ones_like(token_logp)",
        "the gradient weight beside it is not its derivative by token_logp",
    ),
    "a wrong closed form of logits": (
        "def f(logits): return logits.square().sum(1)\n\ndef f_gradient(logits): return logits",
        "the gradient weight beside it is not its derivative by logits",
    ),
    "NaN of a closed form": (
        "def f(logp): return logp\n\ndef f_weight(logp): return logp * float('nan')",
        "its gradient weight is NaN at finite logp",
    ),
    "a failing closed form": (
        "def f(logp): return logp\n\ndef f_weight(x): return x",
        "its gradient weight raised TypeError",
    ),
    "a closed form of another kind": (
        "def f(logp): return logp\n\ndef f_weight(logp): return 1.0",
        "its gradient weight returns float, not a torch tensor",
    ),
    "a closed form that ends it": (
        "import sys\n\ndef f(logp): return logp\n\ndef f_weight(logp): sys.exit(0)",
        "its gradient weight raised SystemExit: 0",
    ),
    "an end": ("raise SystemExit(0)", "failed to load: SystemExit"),
    "an end of its own kind": ("class Stop(BaseException): pass\n\nraise Stop('now')", "failed to load: Stop: now"),
    "an end at the trial": ("import sys\n\ndef f(logp): sys.exit(0)", "it raised SystemExit: 0"),
    "depth": ("def f(logp): return f(logp)", "it raised RecursionError"),
    "memory": ("def f(logp): raise MemoryError", "it raised MemoryError"),
    "an integer": ("def f(logp): return logp.long()", "its loss has no gradient"),
    "complex": ("def f(logp): return logp.to(torch.complex64)", "its loss has no gradient"),
    "a value in place that autograd needs": (
        "def f(logp):\n    y = logp.exp()\n    y.mul_(2)\n    return y",
        "its gradient raised RuntimeError",
    ),
    "async": ("async def f(logp): return logp", "it is an async function"),
    "a generator": ("def f(logp): yield logp", "it returns generator, not a torch tensor"),
    "a class": ("class f:\n    def __init__(self, logp): self.x = logp", "it returns f, not a torch tensor"),
    "a builtin": ("f = torch.exp", "its parameters can't be read"),
    "a number for a function": ("f = 3", "has no function f; it defines none"),
    "no Python": ("def f(logp) return", "failed to load: SyntaxError"),
    "a positional word": ("def f(logp, /): return logp", "can't be filled by name"),
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


KNOWN = {  # without running the file
    "nothing sets c": ("def f(logp, *, c): return c * logp", {}, "nothing gives a value to c"),
    "an unknown one": ("def f(logp, *, c=1.0): return c * logp", {"d": 1}, "f takes no hyperparameter d (it takes c)"),
    "no quantity": ("def f(tokn_logp): return tokn_logp", {}, "Did you mean token_logp?"),
    "too deep": ("def f(hidden, *, layer=99): return hidden.sum(1)", {}, "layer=99: the model has 2 blocks"),
    "a class": ("class f: pass", {}, ""),
    "a default that is computed": ("C = 1.0\ndef f(logp, *, c=C): return logp", {}, ""),
    "two of that name": ("def f(x): return x\ndef f(logp): return logp", {}, ""),
}


@pytest.mark.parametrize("case", KNOWN)
def test_a_plan_knows_by_the_text_what_a_run_would_refuse(
    case: str, tmp_path: Path, run_npo: Callable[..., tuple[int, str, str]]
) -> None:
    source, given, message = KNOWN[case]
    (tmp_path / "mine.py").write_text(f"raise RuntimeError('it was run')\n{source}\n")
    method = json.dumps({"name": f"{tmp_path}/mine.py:f", "hyperparameters": given})
    code, out, err = run_npo("plan", "quick", f"unlearn.methods=[{method}]")
    assert code == (2 if message else 0)
    assert message in err
    assert "it was run" not in out + err


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


GOOD = {
    "lambda": "f = lambda logp: 2 * logp",
    "partial": "from functools import partial\n\ndef g(logp, *, c): return c * logp\n\nf = partial(g, c=2.0)",
    "object": "class F:\n    def __call__(self, logp): return 2 * logp\n\nf = F()",
    "speaks": "def f(logp):\n    print('hello')\n    return 2 * logp",
    "a closed form": "def f(logp): return 2 * logp\n\ndef f_weight(logp): return torch.full_like(logp, 2)",
    "in place": "def f(logp, ref_logp): return logp.mul_(2) + 0 * ref_logp.mul_(5)",
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_function_of_any_kind_is_one_and_what_it_does_to_its_inputs_is_done_to_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a folder.py"
    folder.mkdir()
    (folder / "mine.py").write_text(f"import torch\n\n{GOOD[kind]}\n", encoding="utf8")
    objective = objectives_of(["a folder.py/mine.py:f"], beta=None)["a folder.py/mine.py:f"]
    given = {"logp": torch.tensor([-1.0, -2.0], requires_grad=True), "ref_logp": torch.tensor([-3.0, -4.0])}
    objective(given).total.backward()
    assert given["logp"].grad.tolist() == [1.0, 1.0]
    assert given["logp"].tolist() == [-1.0, -2.0]
    assert given["ref_logp"].tolist() == [-3.0, -4.0]
    assert [path.name for path in folder.iterdir()] == ["mine.py"]


LATER = {
    "another shape": ("return logp if len(logp) == 3 else logp.mean()", "it returns shape () for 4 examples"),
    "no gradient": ("return logp if len(logp) == 3 else logp.detach()", "its loss has no gradient"),
    "an end": ("return logp if len(logp) == 3 else exit(0)", "it raised SystemExit: 0"),
    "NaN": ("return logp if len(logp) == 3 else logp * float('nan')", "its loss is NaN at finite logp"),
    "another kind": ("return logp if len(logp) == 3 else 1.0", "it returns float, not a torch tensor"),
}


@pytest.mark.parametrize("kind", LATER)
def test_a_loss_that_changes_after_the_trial_is_told_with_its_name(kind: str, tmp_path: Path) -> None:
    body, said = LATER[kind]
    (tmp_path / "mine.py").write_text(f"def f(logp):\n    {body}\n", encoding="utf8")
    name = f"{tmp_path}/mine.py:f"
    objective = objectives_of([f"{name}+rt"], beta=None)[f"{name}+rt"]
    with pytest.raises(UserError) as caught:
        objective.forget(logp=torch.zeros(4, requires_grad=True))
    assert str(caught.value).startswith(f"{name}: {said}")


PLACES = {
    "a.py": "does not name a function",
    "a.py:": "does not name a function",
    "a.txt:f": "does not name a function",
    "a.py:f g": "does not name a function",
    "a.py:__import__": "a.py has no function __import__",
    "a.py:__class__": "a.py has no function __class__",
    "a.py:g": "a.py has no function g; it defines f",
    "folder.py:f": "folder.py is no file",
    "absent.py:f": "there is no file absent.py",
    "~/absent.py:f": "there is no file",
    "~nobody-here/a.py:f": "there is no such user",
    "bytes.py:f": "bytes.py ",
    "ring.py:f": "Too many levels of symbolic links",
    f"{'x' * 5000}.py:f": "File name too long",
    "a\0.py:f": "holds what no path can hold",
    ".py:f": "there is no file .py",
}


@pytest.mark.parametrize("find", [load_function, find_function])
@pytest.mark.parametrize("reference", PLACES)
def test_a_function_that_is_not_there_is_told(
    reference: str, find: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text("def f(logp): return logp\n")
    Path("folder.py").mkdir()
    Path("bytes.py").write_bytes(b"def f(logp): return '\xff\xfe'\n")
    Path("ring.py").symlink_to("ring.py")
    with pytest.raises(UserError) as caught:
        find(reference)
    assert PLACES[reference] in str(caught.value)


def test_finding_a_function_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("raise SystemExit(3)\n\ndef f(logp): return logp\n\ng = h = f\n")
    for name in ("f", "g", "h"):
        assert find_function(f"{tmp_path}/a.py:{name}") == tmp_path / "a.py"
