"""Protocol open-unlearning against open-unlearning itself, on the same models and rows, question by question."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from peer_cases import CASES, NEW_TOKENS, SETS, VALUES, examined, model_of, tokenizer_of

from scale.data.prompts import Writer
from scale.evaluation.asked import tofu_sets, with_metrics
from scale.evaluation.exam import Exam, examine
from scale.evaluation.open_unlearning import TOLD
from scale.evaluation.protocols import PROTOCOLS
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

THEIRS = json.loads(VALUES.read_text(encoding="utf8"))["cases"]
PREFIXES = {"forget": "forget", "retain": "retain", "real_authors": "ra", "world_facts": "wf"}
ALONE = Processes("cpu")


def ours(case, protocol="open-unlearning"):
    """The examination, what it finds, and its scores."""
    tokenizer = tokenizer_of(case)
    asked = with_metrics(tofu_sets(SETS), {"forget": ["exact_memorization", "extraction_strength"]})
    asked = {name: one.__class__(one.questions, one.metrics, NEW_TOKENS) for name, one in asked.items()}
    exam = Exam.of(asked, PROTOCOLS[protocol], Writer(tokenizer, case.form, 512))
    found = examine(Scorer(model_of(case, tokenizer)), exam, ALONE)
    return exam, found, exam.scores(found)


def column(theirs, metric, key):
    return [one[key] for one in theirs[metric]["value_by_index"].values()]


def agree(theirs, exam, found, scores):
    """Losses to 1e-5, texts to the letter, means to 1e-6."""
    for name, prefix in PREFIXES.items():
        part = found[name]
        losses = {"Prob": part.losses.answer, "PERT_Prob": part.losses.perturbed}
        if name in ("forget", "retain"):
            losses["PARA_Prob"] = part.losses.paraphrase
        for metric, own in losses.items():
            assert own == pytest.approx(np.array(column(theirs, f"{prefix}_Q_A_{metric}", "avg_loss")), abs=1e-5)
        rouge = f"{prefix}_Q_A_ROUGE"
        assert list(part.answers) == column(theirs, rouge, "generation")
        truths = [exam.protocol.truth(exam.writer, question) for question in exam.sets[name].questions]
        assert truths == column(theirs, rouge, "ground_truth")
        assert part.values["rouge"].tolist() == pytest.approx(column(theirs, rouge, "rougeL_recall"))
    for metric in ("exact_memorization", "extraction_strength"):
        assert found["forget"].values[metric] == pytest.approx(np.array(column(theirs, metric, "score")), abs=1e-6)
    told = {own: theirs[name]["agg_value"] for name, own in TOLD.items() if name != "forget_quality"}
    assert len(told) == 13
    assert {own: scores[own] for own in told} == pytest.approx(told, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_a_model_has_the_numbers_that_open_unlearning_gives_it(name):
    agree(THEIRS[name], *ours(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_under_our_own_reading_it_has_others(name):
    """So that the test above is one of the protocol, not of models that are all alike."""
    exam, found, _ = ours(CASES[name], "all-questions")
    theirs = np.array(column(THEIRS[name], "forget_Q_A_Prob", "avg_loss"))
    assert np.abs(found["forget"].losses.answer - theirs).max() > 1e-3
    assert [question.truth for question in exam.sets["forget"].questions] != column(
        THEIRS[name], "forget_Q_A_ROUGE", "ground_truth"
    )


def test_forget_quality_is_theirs():
    """The first model is taken for the retrained one of the others."""
    first, *others = CASES
    _, retrained, _ = ours(CASES[first])
    for other in others:
        exam, found, _ = ours(CASES[other])
        theirs = THEIRS[other]["forget_quality"]["agg_value"]
        assert exam.scores(found, retrained)["forget_quality"] == pytest.approx(theirs, rel=1e-9)


@pytest.mark.integration
@pytest.mark.skipif(
    not {"NPO_PEER", "NPO_PEER_PYTHON"} <= os.environ.keys(),
    reason="NPO_PEER names no folder with open-unlearning in it, or NPO_PEER_PYTHON no Python that runs it",
)
@pytest.mark.parametrize("name", CASES)
def test_it_still_has_them_where_the_peer_is_at_hand(name, tmp_path: Path):
    theirs = examined(CASES[name], tmp_path)
    agree(theirs, *ours(CASES[name]))
    assert [one["generation"] for one in theirs["forget_Q_A_ROUGE"]["value_by_index"].values()] == column(
        THEIRS[name], "forget_Q_A_ROUGE", "generation"
    )
