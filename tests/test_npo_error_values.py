"""What went wrong is known by an error's class and values; its words are for people alone."""

import ast
from pathlib import Path

import pytest
import torch

from npo.running.methods import OwnError, objective_of, objectives_of
from npo.verbs.forget.choices import ForgetChoices, methods_asked
from records.errors import UserError
from records.settings import SettingsError, override
from synthetic.transformer.presets import QUICK
from theory.objective import Objective

ASKED = {"removeprefix", "removesuffix", "startswith", "endswith", "replace", "search", "match", "fullmatch", "find"}
FOREIGN = {"npo/program/refusals.py"}
"""Where torch's words are asked: its CPU memory runs out in a bare RuntimeError."""
OWN = """
import torch

def with_beta(logp, ref_logp, *, beta):
    return torch.log1p(torch.exp(beta * (logp - ref_logp))) / beta

def plain(logp):
    return logp

def late(logp):
    if len(logp) > 3:
        raise KeyError("takes β, --methods, unlearn.methods")
    return logp
"""


def _words_of_an_error(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("str", "repr")
        and [name.id for name in node.args if isinstance(name, ast.Name)] in (["error"], ["e"])
    )


def _asks_words(tree: ast.AST) -> list[int]:
    """Lines in which the words of an error are compared, searched or rewritten."""
    found = []
    for node in ast.walk(tree):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKED:
            parts = [node.func.value, *node.args]
        found += [part.lineno for part in parts if isinstance(part, ast.expr) and _words_of_an_error(part)]
    return found


def test_no_code_asks_the_words_of_an_error(root: Path) -> None:
    assert _asks_words(ast.parse('if "x" in str(error): pass\ny = str(error).replace("a", "b")')) == [1, 2]
    asked = {}
    for package in ("records", "theory", "synthetic", "scale", "figures", "npo"):
        for path in (root / package).rglob("*.py"):
            if lines := _asks_words(ast.parse(path.read_text(encoding="utf8"))):
                asked[path.relative_to(root).as_posix()] = lines
    assert set(asked) == FOREIGN


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"{tmp_path}/own.py"


def bound(objective: Objective) -> dict[str, float]:
    """The hyperparameters that its forget kernel was given."""
    return dict(getattr(objective.forget, "keywords", {}))


def test_beta_goes_to_those_that_take_it(own: str) -> None:
    assert bound(objective_of(f"{own}:with_beta+rt", {}, 0.5)) == {"beta": 0.5}
    assert bound(objective_of(f"{own}:plain", {}, 0.5)) == {}
    assert bound(objective_of("npo", {"beta": 0.5})) == bound(objectives_of(["npo"], beta=0.5)["npo"]) == {"beta": 0.5}
    with pytest.raises(UserError, match=r"^--beta 0.5: none of .*own.py:plain takes β\.$"):
        objectives_of([f"{own}:plain"], beta=0.5)
    with pytest.raises(UserError, match=r"^--methods NPO: it needs a β"):
        objectives_of(["NPO"], beta=None)


def test_a_function_s_own_words_are_left_as_they_are(own: str) -> None:
    kernel = objective_of(f"{own}:late", {}).forget
    with pytest.raises(
        OwnError, match=r"own.py:late: it raised KeyError: 'takes β, --methods, unlearn.methods'"
    ) as told:
        kernel(logp=torch.zeros(4, requires_grad=True))
    assert told.value.said == "it raised KeyError: 'takes β, --methods, unlearn.methods'"


def test_a_method_s_mistake_is_the_option_s() -> None:
    asked = ForgetChoices(
        methods=("DPO",),
        beta=0.1,
        lr=1e-3,
        epochs=2,
        batch=4,
        piece=4,
        retain_weight=3.0,
        lora=None,
        prompt=None,
        device="cpu",
        dtype="float32",
        seeds=(0,),
    )
    with pytest.raises(UserError, match=r"^--method DPO: it has no retain term for retain_weight"):
        methods_asked(asked, has_retain=True)


def test_settings_say_where_each_mistake_is() -> None:
    with pytest.raises(SettingsError) as told:
        override(QUICK, {"law.betas": "1,x", "seeds": "-1", "law.bets": "1"}, label="transformer")
    places = [place for place, _ in told.value.mistakes]
    assert places == ["law.bets", "seeds.0", "law.betas.1"]
    with pytest.raises(SettingsError, match=r"^transformer: seeds holds 1 more than once\.$") as told:
        override(QUICK, {"seeds": "1,1"}, label="transformer")
    assert told.value.mistakes == [("", "seeds holds 1 more than once.")]
