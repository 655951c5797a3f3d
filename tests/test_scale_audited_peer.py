"""Audit metrics against open-unlearning's and MUSE's own code, on one small model; what is wrong with them, shown."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from audit_made_up import END, ROWS, TEXTS, ids_of, model, text_of

from scale.audit.gradients import gradient_norms
from scale.audit.subject import AuditSubject
from scale.data.prompts import Encoded
from scale.evaluation.catalogue import METRICS
from scale.evaluation.metrics.aggregate import harmonic
from scale.evaluation.metrics.membership import (
    auc,
    loss,
    min_k,
    min_k_plus_plus,
    priv_leak,
    reference,
    relative_difference,
    zlib,
)
from scale.evaluation.scored import Scored, scored_of
from scale.models.folders.language_model import LanguageModel
from scale.models.reading.scorer import Scorer
from scale.models.reading.seen import see
from scale.runtime.processes import Processes

THEIRS = json.loads((Path(__file__).parent / "data" / "peer_audited.json").read_text(encoding="utf8"))
OU, MUSE = THEIRS["membership"], THEIRS["muse"]
LOOKS = ("mean_logp", "variance")


@pytest.fixture(scope="module")
def read() -> dict[float, dict[str, list[Scored]]]:
    """Both models on both sets."""
    found: dict[float, dict[str, list[Scored]]] = {}
    for shift in (0.0, 0.5):
        scorer = Scorer(model(shift))
        for name, rows in ROWS.items():
            asked = [((Encoded((*prompt, *answer), len(prompt)),),) for prompt, answer in rows]
            seen = see(scorer, asked, 0, Processes("cpu"), tokens=512, looks=LOOKS)
            found.setdefault(shift, {})[name] = list(scored_of(asked, seen, {END}))
    return found


def _of(name: str, one: Scored, text: str, other: Scored) -> float:
    given = {"true_loss": one.loss[0], "truth": text, **one.of_tokens}
    plain, _, share = name.partition(" ")
    if plain == "reference":
        return reference(one.loss[0], other.loss[0])
    if not share:
        return float(METRICS[plain].of(given))
    metric = METRICS[plain]
    return float(metric.function(*(given[need] for need in metric.needs), float(share)))


@pytest.mark.parametrize("name", [name for name in OU if "gradient" not in name])
def test_membership_scores_are_open_unlearnings(name: str, read: dict[float, dict[str, list[Scored]]]) -> None:
    columns = {}
    for part, rows in ROWS.items():
        pairs = zip(rows, read[0.0][part], read[0.5][part], strict=True)
        columns[part] = [_of(name, one, text_of(answer), other) for (_, answer), one, other in pairs]
        assert columns[part] == pytest.approx(OU[name][part], rel=2e-6, abs=2e-6)
    assert auc(columns["forget"], columns["holdout"]) == pytest.approx(OU[name]["auc"], abs=1e-12)


def test_loss_counts_the_end_token_and_min_k_does_not(read: dict[float, dict[str, list[Scored]]]) -> None:
    one = read[0.0]["forget"][0]
    with_end, without = one.of_tokens["token_logp_with_end"], one.of_tokens["token_logp"]
    assert len(with_end) == len(without) + 1 == len(ROWS["forget"][0][1])
    assert loss(with_end) == pytest.approx(OU["loss"]["forget"][0], rel=2e-6)
    assert min_k(without) == pytest.approx(OU["min_k 0.4"]["forget"][0], rel=2e-6)
    assert min_k(with_end) != pytest.approx(OU["min_k 0.4"]["forget"][0], rel=1e-2)


@pytest.mark.parametrize("case", THEIRS["certain"][:-1])
def test_min_k_plus_plus_has_their_floor(case: dict[str, list[float]]) -> None:
    """With the sharpest logits one unlikely token has a score of 10⁵ and alone decides."""
    logp = torch.tensor(case["logits"], dtype=torch.float64).log_softmax(-1).numpy()
    p = np.exp(logp)
    mean = (p * logp).sum(1)
    variance = (p * (logp - mean[:, None]) ** 2).sum(1)
    found = min_k_plus_plus(logp[np.arange(5), case["targets"]], mean, variance, 0.4)
    assert found == pytest.approx(case["score"], rel=2e-6)


def test_an_answer_of_no_token_is_a_member_there_and_nothing_here() -> None:
    assert THEIRS["certain"][-1]["score"] == 0  # the score of a text that the model is certain of
    assert math.isnan(min_k([]))


@pytest.mark.parametrize("name", THEIRS["aggregates"]["auc"])
def test_both_leaks_are_theirs(name: str) -> None:
    told = THEIRS["aggregates"]
    area, retrained = told["auc"][name], told["retained"][name]
    assert priv_leak(area, retrained, epsilon=1e-10) == pytest.approx(told["priv_leak"][name], rel=1e-9)
    found = relative_difference(area, retrained, epsilon=1e-10)
    assert found == pytest.approx(told["relative_difference"][name], rel=1e-9)
    assert priv_leak(area, retrained) < 0 < found  # one model, one reference: −99 % and +109 to +223 %


def test_leaks_without_a_reference_take_a_half_for_it_and_the_harmonic_mean_is_scipys() -> None:
    told = THEIRS["aggregates"]
    assert priv_leak(0.75, 0.5, epsilon=1e-10) == pytest.approx(told["priv_leak without"], rel=1e-9)
    found = relative_difference(0.75, 0.5, epsilon=1e-10)
    assert found == pytest.approx(told["relative_difference without"], rel=1e-9)
    parts = [1 - area for area in told["retained"].values()]
    assert harmonic(parts) == pytest.approx(told["harmonic"]["agg_value"], rel=1e-12)


def test_truth_ratios_are_told_of_other_questions_once_one_has_none() -> None:
    told = THEIRS["truth_ratio_of_none"]
    third = np.exp(told["losses"]["2"][0] - told["losses"]["2"][1])
    assert told["by_index"]["1"] == pytest.approx(third, rel=1e-6)  # question 1 has none, question 2 has this one
    assert "2" not in told["by_index"]


def _gradients(rows: list[tuple[Encoded, ...]], made: torch.nn.Module) -> list[float]:
    """Of answers in pieces."""
    writer: Any = SimpleNamespace(pad=0, end=END, tokenizer=SimpleNamespace(all_special_ids=[]))
    subject = AuditSubject("", LanguageModel(made, writer.tokenizer), Scorer(made), writer, Processes("cpu"))
    questions: list[Any] = [SimpleNamespace(encode=lambda writer, pieces=pieces: (pieces,)) for pieces in rows]
    return gradient_norms(subject, questions)


def test_gradient_norms_are_open_unlearnings_and_autograds() -> None:
    for name, rows in ROWS.items():
        made = model(0.0)
        encoded = [Encoded((*prompt, *answer), len(prompt)) for prompt, answer in rows]
        found = _gradients([(one,) for one in encoded], made)
        assert found == pytest.approx(OU["gradient"][name], rel=2e-6)
        ids = torch.tensor([encoded[1].ids])
        logp = made(ids).logits.double().log_softmax(-1)[0, :-2].gather(1, ids[0, 1:-1, None])
        (-logp[encoded[1].first - 1 :].mean()).backward()
        by_hand = np.mean([float(weight.grad.norm()) for weight in made.parameters()])
        assert found[1] == pytest.approx(by_hand, rel=1e-6)


def test_gradients_of_an_answer_in_pieces_are_of_all_its_tokens_and_what_is_not_trained_does_not_count() -> None:
    made, pieces = model(0.0), (Encoded((5, 8, 9, 11), 2), Encoded((9, 11, 10, 12, END), 2))
    norms = []
    logp = [made(torch.tensor([one.ids])).logits.double().log_softmax(-1)[0] for one in pieces]
    loss_ = -(logp[0][1, 9] + logp[0][2, 11] + logp[1][1, 10] + logp[1][2, 12]) / 4
    norms = [float(grad.norm()) for grad in torch.autograd.grad(loss_, list(made.parameters()))]
    assert _gradients([pieces], made) == pytest.approx([np.mean(norms)], rel=1e-6)
    made.requires_grad_(False).model.norm.weight.requires_grad_(True)
    (place,) = (i for i, (name, _) in enumerate(made.named_parameters()) if name == "model.norm.weight")
    assert _gradients([pieces], made) == pytest.approx([norms[place]], rel=1e-6)
    assert math.isnan(_gradients([(Encoded((5, 8, END), 2),)], made)[0])
    assert all(weight.grad is None for weight in made.parameters())


def test_their_gradient_attack_reads_one_row_at_a_time_or_ends() -> None:
    assert OU["gradient of three rows at once"].startswith("RuntimeError: Trying to backward through the graph")


# --- MUSE: whole texts, every token but the first ---------------------------------------------------------------------


def _muse_scores(text: str) -> dict[str, float]:
    ids = torch.tensor([ids_of(text)])
    with torch.no_grad():
        logp = model(0.0)(ids).logits.double().log_softmax(-1)[0, :-1]
    found = logp.gather(1, ids[0, 1:, None])[:, 0].numpy()
    scores = {f"Min-{round(100 * k)}%": min_k(found, k, least=0) for k in (0.2, 0.4)}
    return {"PPL": loss(found), "PPL/zlib": zlib(loss(found), text), **scores}


def test_min_k_and_zlib_of_whole_texts_are_muses() -> None:
    ours = {name: [_muse_scores(text) for text in texts] for name, texts in TEXTS.items()}
    for key in MUSE["scores"]["forget"]:
        columns = {name: [one[key] for one in found] for name, found in ours.items()}
        for name, column in columns.items():
            assert column == pytest.approx(MUSE["scores"][name][key], rel=2e-6)
        theirs = MUSE["auc"][f"forget_holdout_{key}"]
        assert 1 - auc(columns["forget"], columns["holdout"]) == pytest.approx(theirs, abs=1e-12)


def test_muses_npo_of_raw_logits_moves_no_probability_of_free_ones() -> None:
    """Its mean over the vocabulary of log σ(β (z_ref − z)) (baselines/iterative.py) falls as all logits fall alike."""
    beta, start = 0.1, 2 * torch.sin(1.7 * torch.arange(50, dtype=torch.float64) ** 1.2)

    def theirs(logits: torch.Tensor) -> torch.Tensor:
        return -torch.nn.functional.logsigmoid(beta * (start - logits)).mean() * 2 / beta

    logits = start.clone().requires_grad_()
    before = theirs(logits).item()
    for _ in range(50):
        (grad,) = torch.autograd.grad(theirs(logits), logits)
        logits = (logits - 20 * grad).detach().requires_grad_()
    assert before == pytest.approx(20 * math.log(2))
    assert theirs(logits).item() < before / 2
    assert (logits.log_softmax(0) - start.log_softmax(0)).abs().max() < 1e-12


def test_muses_evaluation_ends_before_its_first_area() -> None:
    assert MUSE["evaluation"] == "AttributeError: 'list' object has no attribute 'keys'"
