"""Attacks as `npo audit` takes them: the forms in which they are typed, each mistake in a sentence, what is told."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npo.report.attack_curves import after_attacks, curve_tables
from npo.verbs.audit_attacks import attacks_asked
from records.errors import UserError
from records.store import Data
from scale.attacks.robustness import LEAST_GAP, recovered
from scale.attacks.settings import Relearn
from scale.audit.battery import Audit
from scale.audit.items import Items
from scale.audit.settings import AuditSettings
from scale.data.row import Row
from scale.stages.audits.attack_parts import curves_told
from scale.stages.audits.attack_rows import RelearnSaid, RowsThere, rows_to_relearn
from scale.stages.audits.robust import robustness


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (("relearn",), ["relearn"]),
        (("quantise, prune",), ["quantise", "prune"]),
        (("quantise: {bits: [4], grid: nf4}",), ["quantise,grid=nf4"]),
        (("{quantise: {bits: [4]}, mix: {keep: 0.9}}",), ["quantise", "mix,keep=0.9"]),
        (("[relearn, {relearn: {rows: part}}]", "mix:"), ["relearn", "relearn,rows=part", "mix"]),
        ((), []),
    ],
)
def test_an_attack_is_typed_as_in_a_recipe(texts, labels):
    assert [attack.label for attack in attacks_asked(texts, None)] == labels


def test_the_file_of_related_rows_is_for_the_attack_that_takes_them():
    related, other = attacks_asked(("relearn: {rows: related}", "relearn"), Path("more.jsonl"))
    assert (related.relearn.file, other.relearn.file) == ("more.jsonl", None)


MISTAKES = {
    "a name": ("relern", "--attack relern: there is no such key. Did you mean relearn?"),
    "american": ("quantize: {bits: [4]}", "--attack quantize: there is no such key. Did you mean quantise?"),
    "a key": ("prune: {share: [0.5]}", "--attack prune.share: there is no such key. Did you mean shares?"),
    "bits": ("quantise: {bits: [5]}", "--attack quantise.bits.0: Input should be 8, 4 or 3, got 5."),
    "bits of another grid": ("quantise: {grid: nf4}", "the grid nf4 has 4 bits: say bits=[4]"),
    "a share": ("prune: {shares: [2]}", "--attack prune.shares.0: Input should be less than 1, got 2."),
    "no list": ("prune: {shares: 0.5}", "--attack prune.shares: Input should be a list: [a, b], got 0.5."),
    "falling steps": ("relearn: {steps: [5, 2]}", "--attack relearn.steps: they should grow"),
    "no steps": ("relearn: {steps: []}", "--attack relearn.steps: steps needs at least one value."),
    "a rate": ("relearn: {lr: nan}", "--attack relearn.lr: "),
    "rows": ("relearn: {rows: some}", "--attack relearn.rows: "),
    "a share of all": ("relearn: {share: 0.5}", "share is for rows=part"),
    "a family": ("mix: {families: [memory]}", "--attack mix.families.0: "),
    "no group": ("relearn: 5", "--attack relearn: Input should be a group of keys"),
    "no attack": ("5", "--attack: Input should be a group of keys"),
    "nothing": ("''", "--attack : there is no such key"),
    "an optimizer": ("relearn: {optimizer: adm}", "--attack relearn.optimizer"),
    "twice": ("mix, mix", "--attack: mix is there more than once"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_told_by_the_option(mistake):
    text, said = MISTAKES[mistake]
    with pytest.raises(UserError) as caught:
        attacks_asked((text,), None)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(UserError) as caught:
        attacks_asked(("{relearn", "relern", "quantise: {bits: [5], grid: nf3}"), Path("more.jsonl"))
    said = str(caught.value)
    for part in (
        "Did you mean relearn?",
        "quantise.bits.0",
        "quantise.grid",
        "--attack-rows: no attack takes them",
        "{relearn",
    ):
        assert part in said
    assert len(said.splitlines()) == 6


def _curve(axis, levels, own, beside, back):
    three = [{"value": x, "low": x, "high": x} if x else None for x in (own, beside)]
    return {
        "axis": axis,
        "levels": levels,
        "scores": {"probability": dict(zip(("model", "retrained"), three, strict=True))},
        "robustness": {"q": {"probability": [0.5] * (len(levels) - 1)}},
        "recovered": {"probability": {"model": back}} if back else {},
        "kept_at": {"weight": 0.5},
    }


def test_the_level_with_the_most_is_told_and_of_a_mixture_the_one_that_keeps_enough():
    curves = {
        "quantise": _curve("bits", [32, 8, 4], [0.1, None, 0.2], [0.1, 0.1, 0.1], [None, 0.25]),
        "mix": _curve("weight", [1, 0.5, 0], [0.1, 0.2, 0.9], None, None),
        "relearn": _curve("steps", [0, 1], [None, 0.1], None, None),
    }
    told = {"attacks": curves, "models": {"model": "m"}}
    first, second, third = after_attacks(told)
    assert first == (
        "After quantise, at 4 bits: probability 0.1 → 0.2, 25 % of the way to the finetuned model's; "
        "the retrained model's 0.1 → 0.1."
    )
    assert second == "After mix, at weight 0.5: probability 0.1 → 0.2."
    curves["mix"]["kept_at"] = {"weight": None}
    assert after_attacks(told)[1] == second  # the last level before the finetuned model
    assert third.startswith("No retrained model was trained alike")
    (title, head, lines), *_ = curve_tables({**told, "models": {"model": "m", "retrained": "r"}})
    assert (title, head) == ("after quantise", ("score", "bits", "this model", "retrained", "way back", "Q"))
    assert lines == [
        ("probability", "32", "0.1", "0.1", "", ""),
        ("", "8", "—", "0.1", "—", "0.50"),
        ("", "4", "0.2", "0.1", "0.25", "0.50"),
    ]


def test_no_way_back_is_told_where_the_finetuned_model_knows_no_more():
    curve = _curve("bits", [32, 4], [0.9, 0.8], None, [recovered(0.9, 0.8, 0.85)])
    told = {"attacks": {"quantise": curve}, "models": {"model": "m"}}
    assert after_attacks(told) == ["After quantise, at 4 bits: probability 0.9 → 0.8."]
    ((_, head, lines),) = curve_tables(told)
    assert "way back" not in head
    assert {len(line) for line in lines} == {len(head)}


@given(*[st.floats(0, 1)] * 3)
def test_a_share_of_the_way_back_has_a_way_back(before, after, finetuned):
    share = recovered(before, after, finetuned)
    assert (share is None) == (finetuned - before < LEAST_GAP)
    assert share is None or abs(share) <= 1 / LEAST_GAP


def test_related_rows_are_none_that_are_asked(tmp_path):
    one, two, three = (Row(f"Who is {i}?", f"{i} is nobody.") for i in range(3))
    said, related = RelearnSaid.in_recipe("attacks.0.relearn"), Relearn(rows="related")
    file = tmp_path / "more.jsonl"
    file.write_text(json.dumps({"question": two.question.upper(), "answer": two.answer}), encoding="utf8")
    of_file = related.model_copy(update={"file": str(file)})
    for there, wrong in ((RowsThere((two,)), "a row to forget"), (RowsThere((one,), held_out=(two,)), "held out")):
        with pytest.raises(UserError, match=f"line 1: 'WHO IS 1\\?' is {wrong} too"):
            rows_to_relearn(there, of_file, said)
    assert len(rows_to_relearn(RowsThere((one,), held_out=(three,)), of_file, said)) == 1
    with pytest.raises(UserError, match="1 of the related rows that the data holds out are asked"):
        rows_to_relearn(RowsThere((one,), held_out=(two,), spare=(two,)), related, said)


def test_the_retrained_model_stands_beside_a_mixture_at_the_levels_that_both_have():
    def mixture(levels, values):
        scores = {"probability": dict.fromkeys(("value", "low", "high"), values)}
        more = {"kind": "mix", "settings": {}, "axis": "weight", "asked": {}, "robustness": {}}
        return Data({}, {**more, "levels": levels, "scores": scores})

    by_model = {"retrained": mixture([1, 0, 0.7], [0.1, 0.9, 0.2]), "model": mixture([1, 0, 0.4], [0.3, 0.9, 0.5])}
    finetuned = {"memorisation": {"probability": Items(np.array([0.9, 0.9]))}}
    told = curves_told({"mix": by_model}, Audit({"finetuned": finetuned}, AuditSettings()))["mix"]
    assert told["levels"] == [1, 0, 0.4]
    assert told["scores"]["probability"]["retrained"]["value"] == [0.1, 0.9, None]
    back = told["recovered"]["probability"]
    assert (back["model"], back["retrained"]) == ([1, pytest.approx(1 / 3)], [1, None])
    ((_, _, lines),) = curve_tables({"attacks": {"mix": told}, "models": {"model": "m", "retrained": "r"}})
    assert [line[3] for line in lines] == ["0.1", "0.9", "—"]


def test_robustness_to_rounding_needs_no_retrained_model_and_to_relearning_does():
    values = {"axis": "bits", "levels": [32, 4], "scores": {"probability": {"value": [0.1, 0.4]}}}
    assert robustness(values, None)["q"] == {"probability": [0.25]}
    assert robustness({**values, "axis": "steps"}, None) == robustness({**values, "axis": "weight"}, values) == {}
