"""Few bits on a language model, as they are kept: places of a walk, weights as they were afterwards; and the figure."""

from pathlib import Path

import numpy as np
import pytest
import torch
from rounding_made_up import rounded
from transformers import LlamaConfig, LlamaForCausalLM

from figures import rounding_bits
from figures.rounding_phase import draw
from npo.ledger.recovery.rounding import lines
from npo.runs import rounding
from npo.runs.rounding import KnownRows, born_on, walked_model
from scale.attacks.matrices import matrices_of
from scale.data.prompts import Encoded
from scale.models.folders.language_model import LanguageModel
from scale.models.reading.scorer import Scorer
from theory.theorems.rounding.walk import ROUNDINGS


def _model(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=24, num_key_value_heads=2, initializer_range=0.3, **sizes)).eval()


@pytest.fixture
def known() -> KnownRows:
    """A model on three rows."""
    model = _model(0)
    changed = matrices_of(model).changed
    rows = tuple(Encoded(tuple(range(start, start + 6)), 3) for start in (1, 7, 13))
    return KnownRows(Scorer(model), rows, 0, changed, {name: p.detach().clone() for name, p in changed.items()})


def test_a_walk_of_a_language_model_reads_what_its_lines_say(known: KnownRows, monkeypatch: pytest.MonkeyPatch) -> None:
    other = _model(1)
    monkeypatch.setattr(rounding, "load", lambda folder: LanguageModel(other, None))
    ((line,),) = walked_model(known, Path("there"), {"int8": ROUNDINGS["int8"]}, [1.0], draws=2)
    assert all(torch.equal(known.matrices[name], p) for name, p in known.before.items())
    after = {name: p.detach() for name, p in matrices_of(other).changed.items()}
    assert line["moved"] == known.told(known.read(after))
    assert line["rounded_moved"][0] == pytest.approx(line["moved"], rel=0.05)  # eight bits change little
    assert line["rounded_known"][0] == pytest.approx(known.told(known.read(known.before)), rel=0.05)
    assert len(line["rounded_moved"]) == len(line["moved_rounded"]) == 2
    assert 0 < line["spread"] < 1 < line["size"]


def test_the_lines_of_kept_models_are_those_at_full_size() -> None:
    results = rounded()
    results["llm/rounding/tofu/NPO+RT"].values["lines"][0]["scale"] = 0.1
    found = list(lines(results))
    assert [(line.name, line.grid) for line in found] == [("NPO+RT on tofu", "nf4"), ("NPO+RT LoRA on tofu", "int4")]
    assert found[1].share == pytest.approx(1)
    assert found[0].share == pytest.approx((-0.6 + 1.5) / (-0.6 + 90))


def test_the_phase_diagram_is_drawn_with_models_and_without() -> None:
    results = rounded()
    few = {"theory/rounding": results["theory/rounding"]}
    for given in (few, results):
        panels = draw(given).axes
        assert len(panels) == 4
        assert np.all([panel.get_title(loc="left") or panel.get_title() for panel in panels])


def test_the_diagram_over_bits_tells_what_is_back_from_anywhere_and_from_the_grid() -> None:
    results = rounded()
    found = {(p.room, p.grid, round(p.size, 3)): p for p in rounding_bits.points(results)}
    assert found["transformer", "int2", 0.01].on_grid == 1
    assert found["transformer", "int2", 1.0].on_grid == found["transformer", "int2", 1.0].anywhere == 0
    assert found["logistic", "nf4", 0.1].on_grid is None
    assert found["tofu", "nf4", 0.1].anywhere == pytest.approx(1 - (-0.6 + 1.5) / (-0.6 + 90))
    assert found["tofu", "nf4", 0.1].on_grid == pytest.approx(1)
    panels = rounding_bits.draw(results).axes
    assert [panel.get_title(loc="left") or panel.get_title() for panel in panels].count("") == 1  # the colours


def test_a_model_from_few_bits_starts_on_their_grid_and_its_lines_replace_older_ones(known: KnownRows) -> None:
    born = born_on(known, ROUNDINGS["int4"])
    again = born_on(born, ROUNDINGS["int4"])
    assert all(torch.allclose(p, again.before[name]) for name, p in born.before.items())
    assert any(not torch.equal(p, born.before[name]) for name, p in known.before.items())
    old = [{"grid": "int4", "block": 64, "born": None, "scale": s, "size": 1} for s in (1.0, 0.1)]
    new = [old[1] | {"size": 2}, old[1] | {"born": "int4"}]
    assert rounding._added(old, new) == [old[0], *new]
