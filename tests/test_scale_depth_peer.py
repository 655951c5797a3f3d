"""Depth, logit lens and CKA against the code of UDS, on three small models and five rows, from text to score."""

import json
from pathlib import Path

import numpy as np
import pytest
from depth_made_up import NAMES, ROWS, model, tokenizer

from scale.audit.asked import AskedSets, Entity
from scale.audit.hidden import Inside, hidden, inside
from scale.audit.items import Items, score_of, statistic
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside, subject_of
from scale.data.questions import Question, QuestionSet
from scale.evaluation.metrics.aggregate import close_relative, harmonic, memorisation
from scale.evaluation.metrics.depth import unlearning_depth
from scale.evaluation.metrics.sampling import leak_at_k
from scale.evaluation.metrics.similarity import cka_erasure, linear_cka, linear_cka_without
from scale.models.folders.language_model import LanguageModel
from scale.runtime.processes import Processes

THEIRS = json.loads((Path(__file__).parent / "data" / "peer_depth.json").read_text(encoding="utf8"))
SCORED = THEIRS["rows"]
"""Rows whose entity is found; ours has the whole answer of the other."""
SETTINGS = AuditSettings(families=("hidden",))
CLOSE = {"rel": 1e-6, "abs": 1e-6}
"""Of log-probabilities of models in float64, which both sides have in float32 or better."""


@pytest.fixture(scope="module")
def subjects() -> dict[str, AuditSubject]:
    reader = tokenizer()
    return {
        name: subject_of(name, LanguageModel(model(name), reader), Processes("cpu"), prompt="plain") for name in NAMES
    }


@pytest.fixture(scope="module")
def asked() -> AskedSets:
    chosen = [ROWS[i] for i in SCORED]
    questions = tuple(Question(question, (answer,)) for question, _, _, answer in chosen)
    return AskedSets(
        QuestionSet(questions, {}), entities=tuple(Entity(entity, prefix) for _, prefix, entity, _ in chosen)
    )


@pytest.fixture(scope="module")
def read(subjects: dict[str, AuditSubject], asked: AskedSets) -> dict[str, Inside]:
    return {name: inside(subjects["finetuned"], one, asked) for name, one in subjects.items()}


@pytest.fixture(scope="module")
def scores(subjects: dict[str, AuditSubject], asked: AskedSets) -> dict[str, dict[str, Items]]:
    beside = ModelsBeside(retrained=subjects["retrained"], finetuned=subjects["finetuned"])
    return {name: hidden(one, asked, SETTINGS, beside) for name, one in subjects.items()}


def _theirs(name: str, key: str) -> np.ndarray:
    return np.array([THEIRS["depth"][name]["rows"][str(i)][key] for i in SCORED], dtype=float)


def test_words_are_found_where_they_find_them(asked: AskedSets) -> None:
    assert THEIRS["depth"]["unlearned"]["skipped"] == [4]
    assert SCORED == [0, 1, 2, 3]
    assert len(asked.forget.questions) == 4


@pytest.mark.parametrize("name", NAMES)
def test_the_lens_is_theirs_in_every_block_and_drops_in_all_but_the_last(name: str, read: dict[str, Inside]) -> None:
    assert read[name].lens == pytest.approx(np.array(THEIRS["lens"][name]).T, **CLOSE)
    assert read[name].drop[:, :-1] == pytest.approx(_theirs(name, "s2_deltas")[:, :-1], **CLOSE)
    assert np.abs(read[name].drop[:, -1] - _theirs(name, "s2_deltas")[:, -1]).max() > 0.1


def test_in_the_last_block_theirs_are_normed_twice(read: dict[str, Inside]) -> None:
    """What the finetuned model loses by its own states: nothing here, nats there, and a depth above 0."""
    assert np.abs(read["finetuned"].drop).max() < 1e-9
    assert np.abs(_theirs("finetuned", "s2_deltas")[:, -1]).max() > 1
    assert THEIRS["depth"]["finetuned"]["mean"] > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_depth_of_their_drops_is_theirs(name: str) -> None:
    found = unlearning_depth(_theirs(name, "s1_deltas"), _theirs(name, "s2_deltas"))
    assert found == pytest.approx(_theirs(name, "uds"), abs=1e-12, nan_ok=True)
    assert np.nanmean(found) == pytest.approx(THEIRS["depth"][name]["mean"], abs=1e-12)


@pytest.mark.parametrize("score", ["lens_erasure", "cka_erasure"])
@pytest.mark.parametrize("name", NAMES)
def test_erasure_is_theirs_but_for_what_they_add_to_the_divisor(
    score: str, name: str, scores: dict[str, dict[str, Items]]
) -> None:
    assert statistic(scores[name][score]) == pytest.approx(THEIRS[score][name], abs=5e-7)
    if name != "unlearned":
        assert statistic(scores[name][score]) == pytest.approx(float(name == "retrained"), abs=1e-12)
        assert THEIRS[score]["retrained"] != 1.0
        assert THEIRS[score]["finetuned"] == 0.0


@pytest.mark.parametrize("name", NAMES)
def test_cka_by_block_is_theirs(name: str, read: dict[str, Inside]) -> None:
    for number, theirs in enumerate(THEIRS["cka"][name]):
        for who, key in ((name, "cka_unl_ret"), ("finetuned", "cka_full_ret")):
            found = linear_cka(read[who].states[:, number], read["retrained"].states[:, number])
            assert found == pytest.approx(theirs[key], abs=1e-6)


def test_cka_without_a_question_is_that_of_the_others(read: dict[str, Inside]) -> None:
    x, y, owner = read["unlearned"].states[:, 1], read["retrained"].states[:, 1], read["unlearned"].owner
    expected = [linear_cka(x[owner != i], y[owner != i]) for i in range(4)]
    assert linear_cka_without(x, y, owner) == pytest.approx(expected, rel=1e-10)


def test_cka_erasure_has_an_interval_over_questions(scores: dict[str, dict[str, Items]]) -> None:
    value, low, high = score_of(scores["unlearned"]["cka_erasure"])
    assert low < value < high
    assert score_of(scores["retrained"]["cka_erasure"]) == pytest.approx((1.0, 1.0, 1.0), abs=1e-12)


def test_cka_of_nothing_and_mistakes() -> None:
    assert np.isnan(linear_cka(np.ones((3, 2)), np.eye(3)))
    assert np.isnan(cka_erasure([np.nan], [np.nan]))
    assert cka_erasure([0.2, np.nan], [0.6, np.nan]) == 0
    with pytest.raises(ValueError, match="same places"):
        linear_cka(np.ones((3, 2)), np.ones((4, 2)))


# --- numbers of numbers -----------------------------------------------------------------------------------------------


def test_aggregates_are_theirs_but_where_a_part_is_0() -> None:
    told = THEIRS["aggregates"]
    for scores, theirs in zip(told["by_heart"], told["memorisation"], strict=True):
        if theirs is None:  # who has all by heart: no value there, which a mean over models then skips
            assert memorisation(scores) == 0
        else:
            assert memorisation(scores) == pytest.approx(theirs, rel=1e-12)
    close = [close_relative(*pair) for pair in told["areas"]]
    assert close == pytest.approx(told["close"], abs=1e-12)
    assert [harmonic(close[:n]) for n in (1, 2, 3, 4)] == pytest.approx(told["privacy"], abs=1e-11)


@pytest.mark.parametrize(("drawn", "counts"), [(200, THEIRS["leak"]["leaks"]), (4, (0, 1, 4))])
def test_leak_at_k_is_leak_ks_up_to_as_many_as_were_drawn(drawn: int, counts: list[int]) -> None:
    told = {int(name.partition("@")[2]): value for name, value in THEIRS["leak"][str(drawn)].items() if "@" in name}
    assert list(told) == [1, 2, 4, 8, 16, 32, 64, 128]
    for k, theirs in told.items():
        if k <= drawn:
            assert leak_at_k(drawn, counts, k).mean() == pytest.approx(theirs, rel=1e-12)
        else:
            assert theirs == 0  # of more answers than there are it says that none leaks
            with pytest.raises(ValueError, match="answers out of the n"):
                leak_at_k(drawn, counts, k)
