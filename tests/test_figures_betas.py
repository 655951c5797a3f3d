"""A method that was run at several β, one of them chosen by the rule: legends tell them apart, and so do the lines."""

from runs_made_up import values_of

from figures import llm_evolution, llm_quality_utility, unlearning_by_epoch
from figures.llm_runs import look_of, names_of
from records.store import Data

AUTO = "NPO+RT,beta=auto"


def _run(label: str, beta: float | None, seed: int = 0) -> Data:
    return Data({}, values_of(label, seed, beta=beta))


BOTH = {
    "llm/unlearn/GA-s0": _run("GA", None),
    "llm/unlearn/NPO+RT-s0": _run("NPO+RT", 0.1),
    f"llm/unlearn/{AUTO}-s0": _run(AUTO, 0.01834),
}
NAMES = ["GA", "NPO+RT, β=0.1", "NPO+RT, β=0.018 (rule)"]


def test_a_legend_has_the_beta_where_a_method_has_several() -> None:
    assert list(names_of(BOTH).values()) == NAMES
    alone = {name: data for name, data in BOTH.items() if AUTO not in name}
    assert names_of(alone)["NPO+RT"] == "NPO+RT"
    seeds = BOTH | {f"llm/unlearn/{AUTO}-s1": _run(AUTO, 0.0214, seed=1)}
    assert names_of(seeds)[AUTO] == "NPO+RT, β=0.018–0.021 (rule)"
    assert names_of({"a": _run("NPO+RT,beta=0.02", 0.02)})["NPO+RT,beta=0.02"] == "NPO+RT, β=0.02"


def test_figures_show_these_names() -> None:
    (legend,) = unlearning_by_epoch.draw(BOTH).legends
    assert [text.get_text() for text in legend.get_texts()] == [*NAMES, "retrained model"]
    panels = (llm_evolution.draw(BOTH).axes[2], llm_quality_utility.draw(BOTH).axes[0])
    assert all(set(NAMES) <= set(axes.get_legend_handles_labels()[1]) for axes in panels)


def test_the_rule_s_line_looks_the_same_wherever_it_stands_and_unlike_the_preset_s() -> None:
    assert look_of(AUTO, 2) == look_of(AUTO, 9)
    assert look_of(AUTO, 2)["color"] != look_of("NPO+RT", 2)["color"]
