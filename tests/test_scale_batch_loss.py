"""The loss of a batch: its terms apart."""

import copy

import pytest
import torch

from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.models.reading.unpadded import read_for_training
from scale.runtime.processes import Processes
from scale.training.batch_loss import BatchLoss
from scale.training.batches import TrainingRows, batches
from theory.objective import method

TEXTS = authors(1, seed=0)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=32, layers=2, heads=2, feed_forward=48), seed=0)
ROWS = TrainingRows(ENCODED[:6], ENCODED[10:16])
ALONE = Processes("cpu")


class Fixed:
    """A reference of known log-probabilities."""

    logp = score_all(Scorer(MODEL), ROWS.forget, WRITER.pad, ALONE).logp - 1.0

    def quantities(self, asked, indices, rows):
        return {"ref_logp": self.logp[list(indices)]}


@pytest.mark.parametrize("piece", [6, 4])
def test_the_gradients_of_both_terms_sum_to_that_of_the_objective(piece):
    """An optimiser may ask for the forget part alone, move, and ask for the rest."""
    objective = method("NPO+RT", beta=0.5, forget_weight=2.0, retain_weight=3.0)
    (batch,) = batches(ROWS, objective, size=6, seed=0, epoch=0)
    scorer = ALONE.accelerator.prepare(Scorer(copy.deepcopy(MODEL)))
    read_for_training(scorer, [*ROWS.forget, *ROWS.retain], WRITER.pad, ALONE)
    loss = BatchLoss(scorer, objective, ROWS, piece=piece, pad=WRITER.pad, processes=ALONE, reference=Fixed())
    found, records = {}, {}
    for terms in (["forget", "retain"], ["forget"], ["retain"]):
        scorer.zero_grad()
        records[len(found)] = loss.gradient(batch, terms)
        found[len(found)] = torch.cat([p.grad.flatten() for p in scorer.parameters()])
    torch.testing.assert_close(found[1] + found[2], found[0], rtol=1e-4, atol=1e-5)
    assert found[1].norm() > 0.1 < found[2].norm()
    assert list(records[1]) == ["loss", "forget", "drop", "weight"]
    assert list(records[2]) == ["loss", "retain"]
    assert records[1]["loss"] + records[2]["loss"] == pytest.approx(records[0]["loss"])
    assert records[1] | records[2] | {"loss": 0} == pytest.approx(records[0] | {"loss": 0})


def test_terms_are_read_one_after_the_other_on_a_cpu_and_found_as_together(monkeypatch):
    """Half the activations at once; the gradient is that of both together."""
    objective = method("NPO+RT", beta=0.5, retain_weight=3.0)
    (batch,) = batches(ROWS, objective, size=6, seed=0, epoch=0)
    found, reads = [], []
    for apart in (True, False):
        scorer = ALONE.accelerator.prepare(Scorer(copy.deepcopy(MODEL)))
        loss = BatchLoss(scorer, objective, ROWS, piece=6, pad=WRITER.pad, processes=ALONE, reference=Fixed())
        if not apart:
            monkeypatch.setattr(BatchLoss, "_read_apart", lambda self, terms: [terms])
        scorer.register_forward_pre_hook(lambda module, given: reads.append(len(given[0].labels)))
        record = loss.gradient(batch)
        found.append((record, torch.cat([p.grad.flatten() for p in scorer.parameters()])))
    assert reads == [6, 6, 12]
    (one, gradient), (other, expected) = found
    assert one == pytest.approx(other, rel=1e-5)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-5)
