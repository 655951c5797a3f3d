"""Losses of other papers on a language model, from their rows alone: every level, cached and live, however cut."""

import copy
import sys
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
import torch
from two_processes import part, run_two

from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer, collate
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.runtime.processes import Processes
from scale.training.after_a_beginning import after_a_beginning
from scale.training.asked import SUFFIXES, asked_of
from scale.training.batches import TrainingRows, batches
from scale.training.loop import Training
from scale.training.reference_lookup import LiveReference, cached_reference
from scale.training.schedule import Schedule
from theory import losses
from theory.kernel import needs
from theory.logprobs import answer_rows
from theory.methods import FORGET, named
from theory.objective import EVERY, METHODS, method, tokens
from theory.retain import kl

TEXTS = authors(1, seed=0)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]


def _trained(*ends):
    """A model after so many steps: it knows its answers by half, so that weights of tokens are neither 0 nor 1."""
    model = scratch.from_scratch(TOKENIZER, Shape(hidden=32, layers=2, heads=2, feed_forward=48), seed=0)
    optimizer, batch = torch.optim.AdamW(model.parameters(), lr=1e-2), collate(ENCODED, WRITER.pad)
    for step in range(1, max(ends) + 1):
        model(input_ids=batch.ids, attention_mask=batch.mask, labels=batch.labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step in ends:
            yield copy.deepcopy(model)


MODEL, FROZEN, REINFORCED = _trained(30, 40, 50)
for still in (FROZEN, REINFORCED):
    still.requires_grad_(False).eval()
ALONE = Processes("cpu")
RATES = {"RMU": 1e-6, "RMU+RT": 1e-4}
PAPER = {named(name)[0].kernel for name in METHODS} - {losses.idk}
OTHERS = [name for name, row in FORGET.items() if name != "IDK" and row.kernel not in PAPER]
NAMES = [f"{name}{kept}" for name, kept in zip(OTHERS, cycle(["", "+RT", "+KL"]))]
ONE_OF_EACH = list({frozenset(needs(named(name)[0].kernel)): name for name in reversed(NAMES)}.values())
"""A method for each set of quantities that kernels take."""
SAID = ["No idea.", "I can't say."]


def _said(rows):
    """Each row with every "I don't know" answer, and where the row of (row, answer) is."""
    made = [WRITER.encode(row.question, said) for row in rows for said in SAID]
    return made, {(i, j): len(SAID) * i + j for i in range(len(rows)) for j in range(len(SAID))}


_IDK, _PLACE = _said(TEXTS[:6])
_RETAIN_IDK, _RETAIN_PLACE = _said(TEXTS[8:14])
ROWS = TrainingRows(
    ENCODED[:6],
    ENCODED[8:14],
    _IDK,
    _PLACE,
    len(SAID),
    alternates=[ENCODED[14 + i % 3 : 16 + i % 4] for i in range(6)],
    after=[after_a_beginning(ENCODED[i // len(SAID)], row, 512) for i, row in enumerate(_IDK)],
    retain_idk=_RETAIN_IDK,
    retain_idk_place=_RETAIN_PLACE,
)


DROP = float(
    (
        score_all(Scorer(FROZEN), ROWS.forget, WRITER.pad, ALONE).logp
        - score_all(Scorer(MODEL), ROWS.forget, WRITER.pad, ALONE).logp
    ).mean()
)


def _method(name):
    """With a β where its paper has none."""
    try:
        return method(name)
    except ValueError:
        return method(name, beta=0.1)


def _sgd(parameters, schedule):
    return torch.optim.SGD([p for p in parameters if p.requires_grad], lr=schedule.lr)


def _stronger(folder):
    """What is known of the reference that was trained further."""
    return ReferenceCache(folder).states(ReferenceModel(Scorer(REINFORCED), "s", WRITER.pad, ALONE), ROWS.forget)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where both references' quantities are kept, for all methods."""
    return tmp_path_factory.mktemp("references")


def _live(folder):
    return LiveReference(Scorer(FROZEN), WRITER.pad, ALONE, _stronger(folder))


def _reference(tmp_path, objective):
    reference_model = ReferenceModel(Scorer(FROZEN), "w", WRITER.pad, ALONE)
    return cached_reference(ReferenceCache(tmp_path), reference_model, objective, ROWS, _stronger(tmp_path))


def _run(objective, reference, *, piece=6, lr=1e-3, epochs=2):
    model = copy.deepcopy(MODEL)
    schedule = Schedule(lr=lr, epochs=epochs, batch=6, piece=piece, warmup=0)
    training = Training(
        Scorer(model),
        objective,
        ROWS,
        schedule,
        seed=0,
        pad=WRITER.pad,
        processes=ALONE,
        reference=reference,
        make_optimizer=_sgd,
    )
    return model, [step for moment in training.run() for step in moment.steps]


def _flat(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_every_method_trains_the_same_with_a_kept_and_a_live_reference_and_however_cut(kept, name):
    objective = _method(name)
    rate = RATES.get(name, 1e-3)
    fixed, live = _reference(kept, objective), _live(kept)
    one, log = _run(objective, fixed, lr=rate)
    assert not torch.equal(_flat(one), _flat(MODEL))
    for reference, piece in ((live, 6), (fixed, 4)):
        other, same = _run(objective, reference, piece=piece, lr=rate)
        torch.testing.assert_close(_flat(other), _flat(one), rtol=1e-4, atol=2e-6)
        for a, b in zip(log, same, strict=True):
            assert a == pytest.approx(b, rel=1e-3, abs=1e-4)


def _plainly(objective):
    """The first batch by the formulas: all quantities from the logits of every position, by autograd."""
    (batch,) = batches(ROWS, objective, size=6, seed=0, epoch=0)
    forget, retain = {}, {}
    for kind, suffix in SUFFIXES.items():
        given = retain if kind.startswith("retain") else forget
        if chosen := [ROWS.of(kind)[i] for i in batch.of(kind)]:
            for of, model in (("", MODEL), ("ref_", FROZEN), ("reinforced_", REINFORCED)):
                found = _quantities(model, objective, chosen)
                given |= {f"{of}{name}{suffix}": x for name, x in found.items()}
    over_tokens = replace(objective, retain_per=tokens) if objective.retain is kl else objective
    return over_tokens(forget, retain).total


def _quantities(model, objective, rows):
    batch = collate(rows, WRITER.pad)
    found = model(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
    where = answer_rows(batch.labels, found.logits.shape[-1])
    asked = asked_of(objective, "forget", 2)
    block = (asked and asked.block) or 1
    logits = found.logits.flatten(0, 1)[where.rows]
    token_logp = logits.log_softmax(-1).gather(1, where.targets[:, None])[:, 0]
    starts = torch.cumsum(where.tokens, 0) - where.tokens
    return {
        "logits": logits,
        "token_logp": token_logp,
        "logp": torch.zeros(len(rows)).index_add(0, where.example, token_logp),
        "mean_prob": torch.zeros(len(rows)).index_add(0, where.example, token_logp.exp()) / where.tokens,
        "hidden": found.hidden_states[block].flatten(0, 1)[where.rows],
        "count": where.tokens,
        "example": where.example,
        "labels": where.targets,
        "position": torch.arange(len(logits)) - starts[where.example],
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_step_descends_the_gradient_of_the_objective_itself(kept, name):
    objective, lr = _method(name), RATES.get(name, 1e-2)
    found, log = _run(objective, _reference(kept, objective), lr=lr, epochs=1, piece=4)
    MODEL.zero_grad()
    loss = _plainly(objective)
    loss.backward()
    expected = [p if p.grad is None else p - lr * p.grad for p in MODEL.parameters()]
    moved = (_flat(found) - _flat(MODEL)).norm()
    assert moved > 1e-5
    missed = (_flat(found) - torch.cat([p.detach().flatten() for p in expected])).norm()
    assert missed < 5e-4 * moved  # the last bit of one weight, 3e-8, can be 1e-4 of it
    assert log[0]["loss"] == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)


@pytest.mark.integration
@pytest.mark.parametrize("name", [name for name in EVERY if name not in NAMES])
def test_every_other_method_descends_its_gradient_too(kept, name):
    """Those above are each of their retain terms once; here is the rest, the twelve of the paper too."""
    test_a_step_descends_the_gradient_of_the_objective_itself(kept, name)


def test_the_log_says_what_a_loss_makes_of_its_answers(kept):
    """Mean weight where there is one, the drop of the forget answers always."""
    for name, columns in {
        "SimNPO": {"drop", "weight"},
        "WGA+RT": {"retain", "drop", "weight"},
        "UNDIAL": {"drop"},
        "RMU": {"retain", "drop"},
        "AltPO": {"drop", "weight"},
    }.items():
        objective = method(name)
        _, log = _run(objective, _reference(kept, objective), lr=1e-9)
        assert log[0].keys() == {"lr", "loss", "forget"} | columns
        assert log[0]["drop"] == pytest.approx(DROP, rel=1e-4)


SPLIT = ONE_OF_EACH


def _worker(folder):
    """What each method comes to, by a live reference."""
    live = _live(folder)
    found = {name: _flat(_run(_method(name), live, lr=RATES.get(name, 1e-3))[0]) for name in SPLIT}
    if ALONE.first:
        torch.save(found, folder / f"{ALONE.count}.pt")


@pytest.mark.integration
def test_two_processes_come_to_what_one_comes_to(tmp_path):
    done = run_two(__file__, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    _worker(tmp_path)
    one, two = (torch.load(tmp_path / f"{count}.pt") for count in (1, 2))
    for name in SPLIT:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=2e-6)


if __name__ == "__main__":
    _worker(Path(sys.argv[1]))
    part()
