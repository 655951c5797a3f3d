"""Figures of kept runs: forget sets side by side, and sweeps over β in units of the wanted drop."""

import numpy as np
from kept_made_up import AUTO, beta_sweeps, tofu_runs

from figures import llm_beta_law, llm_forget_sets, llm_retain_weight
from records.store import Data


def test_every_forget_set_has_a_column_and_every_method_one_name_in_the_legend() -> None:
    runs = {name: data for name, data in tofu_runs().items() if "forget50" not in name}
    figure = llm_forget_sets.draw(runs)
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    npo_rt = ["NPO+RT, β=0.1", "NPO+RT, β=0.018 (rule)"]
    assert told == ["GA", "GA+RT", "IDK+RT", "DPO+RT", "NPO", *npo_rt, "finetuned", "retrained"]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:3] == [f"{name}: where methods end" for name in ("forget01", "forget05", "forget10")]


def test_a_method_that_one_set_lacks_is_in_the_legend_all_the_same() -> None:
    runs = {n: d for n, d in tofu_runs().items() if "forget50" not in n and not ("forget01" in n and "/GA" in n)}
    (legend,) = llm_forget_sets.draw(runs).legends
    assert {"GA", "GA+RT"} <= {text.get_text() for text in legend.get_texts()}


def test_the_drop_is_drawn_in_wanted_drops_with_the_law_through_one() -> None:
    sweeps = {name: data for name, data in beta_sweeps().items() if "/one/" in name}
    drop = llm_beta_law.draw(sweeps).axes[0]
    law = next(line for line in drop.lines if line.get_linestyle() == "--" and len(line.get_xdata()) > 10)
    mean = next(line for line in drop.lines if line.get_label() == "one")
    x, y = np.asarray(law.get_xdata(), float), np.asarray(law.get_ydata(), float)
    np.testing.assert_allclose(np.interp(mean.get_xdata(), x, y), mean.get_ydata(), rtol=0.02)


def test_gradient_ascent_is_the_limit_at_the_left_edge() -> None:
    sweeps = {name: data for name, data in beta_sweeps().items() if "/one/" in name}
    one = next(iter(sweeps.values()))
    sweeps["llm/beta/one/GA+RT-s0"] = Data({}, {**one.values, "beta": None, "method": "GA+RT"})
    drop = llm_beta_law.draw(sweeps).axes[0]
    edge = [line for line in drop.lines if line.get_marker() == "s" and len(line.get_xdata())]
    assert [len(line.get_xdata()) for line in edge] == [1]
    assert edge[0].get_xdata()[0] < min(line.get_xdata()[0] for line in drop.lines if line.get_label() == "one")


def test_retain_weights_of_kept_runs_are_drawn() -> None:
    large = {name: data for name, data in tofu_runs().items() if "forget50" in name}
    assert list(llm_retain_weight.weights(large)["NPO+RT"]) == [1.0, 5.0]
    assert AUTO not in llm_retain_weight.weights(large)
