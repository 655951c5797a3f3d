"""What is kept, tabled and drawn of audits and attacks: from a run's folder to the report's page."""

from audits_made_up import PLACE, audits

from figures import attacks
from figures.audit import LOOKS
from npo.runs.attacked import attacks_in, audited_in, keep_audits, rows_of_attacks, saved_audits
from records.store import finish, save


def _results():
    return {name.removeprefix(PLACE): data for name, data in audits().items()}


def test_what_is_kept_is_what_was_saved_to_four_digits(tmp_path):
    results = _results()
    results["audit/retrain"].values["scores"]["probability"]["value"] = 0.123456
    for name in ("audit/retrain", "attack/GA+RT-s0/relearn,rows=retain"):
        finish(tmp_path / name, "key", {}, lambda folder, name=name: save(folder, results[name]))
    (tmp_path / "attack/GA+RT-s0/left").mkdir()
    found = audited_in(tmp_path)
    assert set(found) == {"audit/retrain", "attack/GA+RT-s0/relearn,rows=retain"}
    keep_audits(tmp_path / "kept.json", found, command="npo run", machine="here")
    kept = saved_audits(tmp_path / "kept.json")
    assert kept["audit/retrain"].values["scores"]["probability"]["value"] == 0.1235
    assert kept["attack/GA+RT-s0/relearn,rows=retain"].values["levels"] == [0, 2, 6]


def test_a_table_has_a_line_for_each_attack_with_the_retrained_model_beside():
    results = _results()
    results["attack/GA+RT-s0/relearn"].values["robustness"] = {"r": {"probability": [0.5, 0.25]}}
    rows = {(row.model, row.attack): row for row in rows_of_attacks(results)}
    assert len(rows) == len(attacks_in(results))
    row = rows["GA+RT-s0", "relearn"]
    assert (row.level, row.before, row.robustness) == ("6 steps", 1e-5, "R 0.25")
    assert row.retrained == results["attack/retrain/relearn"].values["scores"]["probability"]["value"][-1]


def test_the_figure_has_a_column_for_each_attack_and_a_line_for_each_model():
    results = audits()
    figure = attacks.draw({name: data for name, data in results.items() if "/attack/" in name})
    panels = figure.get_axes()
    assert len(panels) == 5 * len(attacks.SCORES)
    assert [ax.get_title(loc="left") for ax in panels[:5]] == [
        "relearnt on the rows to forget",
        "on related rows",
        "on rows to retain",
        "weights rounded",
        "mixed back",
    ]
    labels = [line.get_label() for line in panels[0].get_lines()]
    assert labels == ["GA+RT", "NPO", "NPO+RT", "finetuned", "retrained"]
    assert [tick.get_text() for tick in panels[3].get_xticklabels()] == ["32", "8", "4"]


def test_a_model_whose_score_is_not_finite_leaves_a_gap():
    results = {name: data for name, data in audits().items() if name.endswith("GA+RT-s0/relearn")}
    score = next(iter(results.values())).values["scores"]["probability"]
    score["value"][1] = score["low"][1] = score["high"][1] = None
    assert isinstance(attacks.draw(results).get_axes()[0].get_lines()[0].get_label(), str)


def test_an_audit_s_two_figures_have_the_same_words_and_colours_and_the_axis_ends_with_the_data():
    results = audits()
    values = {name: data for name, data in results.items() if name.endswith("/relearn")}
    score = {"value": [0.02, 0.5, 0.6], "low": [0.01, 0.4, 0.5], "high": [0.03, 0.6, 0.7]}
    for data in values.values():
        data.values["scores"]["probability"] = score
    one = next(iter(values.values()))
    ax = attacks.draw({"attack/retrained/relearn": one, "attack/model/relearn": one}).get_axes()[0]
    assert [(line.get_label(), line.get_color()) for line in ax.get_lines()] == [
        (LOOKS[who]["label"], LOOKS[who]["color"]) for who in ("model", "retrained")
    ]
    assert 0.001 < ax.get_ylim()[0] < 0.01
