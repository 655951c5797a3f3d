"""`npo atlas`: its table, its files, one's own loss in it, and the rows behind."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from figures import atlas as picture
from npo.verbs.losses.atlas import markdown, rows_of
from npo.verbs.losses.atlas_optimisers import cells_of, chosen_optimisers
from records.errors import UserError
from theory.atlas.classify import classify
from theory.atlas.demonstration import TAU, whole_atlas
from theory.atlas.family import FAMILY, member
from theory.atlas.growth import linear
from theory.atlas.optimisers.loop import fast
from theory.atlas.optimisers.scalar import OPTIMISERS
from theory.atlas.scalar import ScalarLoss
from theory.atlas.table import AtlasRow, atlas_arrays, atlas_row, growth_from, of_member
from theory.losses import ga, npo

RunNpo = Callable[..., tuple[int, str, str]]


def test_a_row_predicts_what_is_measured_and_says_where_it_does_not() -> None:
    row = of_member(member("NPO", beta=0.5))
    assert row.difference < 1e-5
    flows = ScalarLoss("NPO", partial(npo, beta=0.5), 2.0), ScalarLoss("NPO", partial(npo, beta=0.5), 6.0)
    assert np.isinf(atlas_row(*flows, predicted=linear(1.0)).difference)
    assert np.isnan(atlas_row(*flows).difference)
    raised = ScalarLoss("up", lambda logp: -ga(logp), 2.0)
    assert atlas_row(raised, raised).escape == np.inf
    assert 400 < row.escape < 420


@pytest.mark.parametrize("a", [0.25, 0.5])
def test_a_kernel_whose_numbers_run_over_has_no_end_for_that(a: float) -> None:
    def brake(logp: Tensor, ref_logp: Tensor) -> Tensor:  # from a margin of 710 on e^m is no float64 any more
        return (2 / (1 + (ref_logp - logp).exp())).pow(a).detach() * logp

    found = classify(ScalarLoss("brake", brake))
    assert found.growth.kind == "logarithmic"
    assert abs(found.growth.coefficient * a - 1) < 1e-5


def test_what_is_kept_of_the_atlas_is_what_was_followed() -> None:
    arrays = atlas_arrays([of_member(FAMILY["GA"])], TAU)
    exact = arrays["GA.margin"] - np.exp(2) * np.expm1(-arrays["GA.margin"])  # τ = m + e^c (1 − e^−m)
    assert np.allclose(exact, TAU, rtol=2e-2)
    law = growth_from(arrays["GA.measured"])
    assert law is not None
    assert law.kind == "linear"
    assert growth_from(np.array([-1.0, 1, 0, 1, 1])) is None
    assert {name.rpartition(".")[2] for name in whole_atlas(None)} == {
        *("tau", "margin", "escape", "measured", "predicted")
    }


def test_a_panel_has_a_dozen_curves_at_most_and_every_loss_is_in_one() -> None:
    figure = picture.draw(picture.compute())
    labels = [text.get_text() for ax in figure.axes if ax.get_legend() for text in ax.get_legend().get_texts()]
    assert max(len(ax.get_legend().get_texts()) for ax in figure.axes if ax.get_legend()) <= 12
    shown = [name for label in labels for name in label.split("   ")[0].split(" = ")]
    assert len(shown) == len(FAMILY)


def test_names_choose_rows(tmp_path: Path) -> None:
    assert [row.name for row in rows_of(["npo"])] == ["NPO(0.1)", "NPO(1)"]
    assert [row.name for row in rows_of(["NPO", "ga"], beta=0.3)] == ["NPO(0.3)", "GA"]
    (tmp_path / "mine.py").write_text("def f(logp, *, c=3.0): return c * logp\n")
    (row,) = rows_of([f"{tmp_path}/mine.py:f"], settings=["c=2"])
    assert row.name == "f"
    assert abs(row.measured.growth.coefficient - 2) < 1e-9


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UserError) as caught:
        rows_of(["NPQ", "GA", "nowhere.py:f"])
    assert "NPQ: the atlas has no such loss. Did you mean NPO" in str(caught.value)
    assert "there is no file nowhere.py" in str(caught.value)


@pytest.mark.integration
def test_under_an_optimiser_a_loss_has_another_class(run_npo: RunNpo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("npo.verbs.losses.atlas_optimisers.STEPS", 200_000)
    rows = [*rows_of(["GA", "NPO"], beta=1.0), _raising()]
    cells = cells_of(rows, chosen_optimisers(["gd", "adam, ε = 0"]))
    kinds = {(cell.loss, cell.optimiser): cell.found.growth.kind if cell.found else "" for cell in cells}
    assert kinds["NPO(1)", "GD"] == "logarithmic"
    assert kinds["GA", "GD"] == "linear"
    assert kinds["NPO(1)", "Adam, ε = 0"] == "linear" or not fast()  # few steps of a Python loop are its transient
    assert kinds["up", "GD"] == ""
    assert set(chosen_optimisers(["all"])) == set(OPTIMISERS)
    code, said, err = run_npo("atlas", "GA", "--optimizer", "GD")
    assert code == 0, err
    assert "Does its growth survive" in said


def _raising() -> AtlasRow:
    raised = ScalarLoss("up", lambda logp: -ga(logp), 2.0)
    return atlas_row(raised, raised)


def test_the_table_of_the_documentation_is_the_commands(root: Path, tmp_path: Path, run_npo: RunNpo) -> None:
    (tmp_path / "mine.py").write_text("def f(logp): return logp\n")
    out = tmp_path / "out"
    code, said, err = run_npo("atlas", "GA", f"{tmp_path}/mine.py:f", "--out", str(out))
    assert code == 0, err
    assert "m = τ − 7.38906" in said
    ga_row, own = json.loads((out / "atlas.json").read_text())
    assert ga_row["predicted"]["kind"] == own["measured"]["kind"] == "linear"
    assert own["predicted"] is None
    assert own["sure"]
    assert (out / "atlas.png").stat().st_size > 10_000
    table = (out / "atlas.md").read_text()
    assert markdown(rows_of(["GA"])).splitlines()[-1] in table
    assert markdown(rows_of(["GA"])).splitlines()[-1] in (root / "docs" / "atlas.md").read_text(encoding="utf8")
