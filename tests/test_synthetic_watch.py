"""What is looked at: every number against its formula, and where a run ends."""

import numpy as np
import pytest
import torch
from torch.func import jacrev

from synthetic.transformer.language import KINDS, VOCABULARY, WORDS, Community, draw
from synthetic.transformer.model import Config, answer_logits, cast, initial, log_probs
from synthetic.transformer.watch import Answers, Watcher, kernel_facts, recording

LANGUAGE = draw(Community(forget=5, retain=10), 0)
SPLIT = LANGUAGE.split
CONFIG = Config(vocab=200, length=2 * WORDS, width=8, heads=2, layers=1, expansion=2)


def _model(seed):
    return cast(initial(CONFIG, torch.Generator().manual_seed(seed)), torch.float64)


REFERENCE, RETRAINED, MODEL = _model(0), _model(1), _model(2)


def _recorder(**how):
    return Watcher(CONFIG, REFERENCE, RETRAINED, SPLIT, how.pop("nats", 1e9), **how)


def test_distances_are_means_of_the_divergence_over_answer_tokens():
    watcher = _recorder()
    watcher(0, REFERENCE)
    watcher(7, MODEL)
    found = watcher.arrays()
    for side, part in (("forget", SPLIT.forget), ("retain", SPLIT.retain)):
        now = answer_logits(MODEL, part, CONFIG).log_softmax(-1)
        for name, other in (("kl", REFERENCE), ("distance", RETRAINED)):
            p = answer_logits(other, part, CONFIG).log_softmax(-1)
            slow = float((p.exp() * (p - now)).sum(-1).mean())
            assert found[f"{side}_{name}"][1] == pytest.approx(slow, rel=1e-10)
    assert found["steps"].tolist() == [0, 7]
    assert found["forget_kl"][0] == found["reference_distance"][0] == 0
    kept = log_probs(CONFIG, SPLIT.retain)(MODEL)
    assert found["retain_nll"][1] == pytest.approx(-float(kept.sum()) / (10 * WORDS))
    drop = log_probs(CONFIG, SPLIT.forget)(REFERENCE) - log_probs(CONFIG, SPLIT.forget)(MODEL)
    np.testing.assert_allclose(found["drop"][1], drop.numpy())
    apart = sum(float((MODEL[n] - RETRAINED[n]).square().sum()) for n in MODEL) ** 0.5
    assert found["parameter_distance"][1] == pytest.approx(apart)


def test_kernel_facts_are_those_of_the_jacobian():
    n = 5
    both = SPLIT.everything.pick(0, 2 * n)
    jacobian = torch.cat([j.flatten(1) for j in jacrev(log_probs(CONFIG, both))(MODEL).values()], dim=1)
    K = jacobian @ jacobian.T
    found = kernel_facts(MODEL, SPLIT, CONFIG)
    own, cosine = K.diagonal(), (K / (K.diagonal()[:, None] * K.diagonal()).sqrt()).abs()
    assert found["kernel_own"] == pytest.approx(float(own[:n].mean()))
    share = [1 - float(K[i, i].abs() / K[i, :n].abs().sum()) for i in range(n)]
    assert found["kernel_share"] == pytest.approx(np.mean(share))
    pairs = [float(cosine[i, j]) for i in range(n) for j in range(n) if i != j]
    assert found["cosine_forget"] == pytest.approx(np.mean(pairs))
    assert found["cosine_retain"] == pytest.approx(float(cosine[:n, n:].mean()))


def test_answers_are_counted_and_kept_to_be_read():
    reader = Config(vocab=len(VOCABULARY), length=2 * WORDS, width=8, heads=2, layers=1, expansion=2)
    model = initial(reader, torch.Generator().manual_seed(0))
    watcher = Watcher(reader, model, model, SPLIT, 1e9, Answers(LANGUAGE, reader), shown_at=(0,))
    watcher(0, model)
    found = watcher.arrays()
    assert found["forget_kinds"].shape == (1, len(KINDS))
    assert found["forget_kinds"].sum() == pytest.approx(1)
    rows = watcher.shown["0"]["forget"]
    assert {"question", "right", "greedy", "sampled"} == set(rows[0])
    assert rows[0]["right"] in LANGUAGE.answers(SPLIT.forget)
    assert all(len(row["greedy"].split()) == WORDS for row in rows)


def test_a_run_past_its_nats_ends_and_keeps_what_was_seen():
    drop = float((log_probs(CONFIG, SPLIT.forget)(REFERENCE) - log_probs(CONFIG, SPLIT.forget)(MODEL)).mean())
    ends = recording({"run": _recorder(nats=drop - 1)})
    stays = recording({"run": _recorder(nats=drop + 1)})
    assert not ends("run", 3, MODEL)
    assert stays("run", 3, MODEL)


def test_a_diverged_run_is_marked_and_keeps_its_history():
    watcher = _recorder()
    assert watcher(0, REFERENCE)
    assert not watcher(4, {name: p * float("nan") for name, p in MODEL.items()})
    assert watcher.diverged_at == 4
    assert watcher.arrays()["steps"].tolist() == [0]
