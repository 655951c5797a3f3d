"""Before the first step a model is its own reference: the drop is 0, to the last bit."""

import copy

import pytest
import torch

from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows
from scale.training.loop import Training
from scale.training.reference_lookup import cached_reference
from scale.training.schedule import Schedule
from theory import chunks, logprobs
from theory.objective import method

TEXTS = authors(2, seed=0)
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
ENCODED = [WRITER.encode(row.question, row.answer) for row in TEXTS]
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=64, layers=2, heads=2, feed_forward=96), seed=0)
with torch.no_grad():
    MODEL.lm_head.weight.mul_(20)  # answers of unlike probability, as a trained model has
ROWS = TrainingRows(ENCODED[:12], ENCODED[12:24], alternates=[[row] for row in ENCODED[24:36]])
ALONE = Processes("cpu")


def _first(tmp_path, name, seed, *, piece):
    model = copy.deepcopy(MODEL)
    objective = method(name, **({"beta": 0.1} if name.startswith(("NPO", "KTO")) else {}))
    reference = cached_reference(
        ReferenceCache(tmp_path), ReferenceModel(Scorer(model), "w", WRITER.pad, ALONE), objective, ROWS
    )
    schedule = Schedule(lr=1e-3, epochs=1, batch=12, piece=piece, warmup=0)
    training = Training(
        Scorer(model), objective, ROWS, schedule, seed=seed, pad=WRITER.pad, processes=ALONE, reference=reference
    )
    return next(training.run()).steps[0]


@pytest.mark.parametrize("piece", [12, 5])
@pytest.mark.parametrize("name", ["NPO", "NPO+RT", "GA+RT", "NPO+KL", "TNPO+RT", "UNDIAL", "AltPO", "SimNPO+RT"])
def test_the_drop_at_step_0_is_0(tmp_path, name, piece):
    for seed in (0, 1):
        assert _first(tmp_path, name, seed, piece=piece)["drop"] == 0.0


def test_the_drop_at_step_0_is_0_where_the_head_runs_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("scale.models.reading.batch_parts.LOOKING", 40 * 400 * 4)
    monkeypatch.setattr("scale.models.reading.batch_parts.BUDGET", 70 * 400 * 4)
    for name in ("NPO", "NPO+KL"):
        assert _first(tmp_path, name, 0, piece=12)["drop"] == 0.0


def test_pieces_of_work_are_of_like_size():
    """A product of a few rows rounds otherwise, so no piece is the small rest."""
    for rows in range(1, 200):
        cuts = chunks._cut(7, 7 + rows, 40)
        sizes = [stop - start for start, stop in cuts]
        assert sum(sizes) == rows
        assert max(sizes) <= 40
        assert min(sizes) >= min(rows, 20)
    assert list(chunks._whole_examples([30, 30, 5, 5], 64)) == [(0, 60), (60, 70)]


def test_the_log_softmax_is_exact_over_a_large_vocabulary_and_its_gradient_is_its_own():
    torch.manual_seed(0)
    z, targets = 4 * torch.randn(20, 60_000), torch.randint(60_000, (20,))
    z[torch.arange(20), targets] += 12
    exact = (z.double().log_softmax(1)).gather(1, targets[:, None])[:, 0]
    assert float((logprobs.at_targets(z, targets) - exact).abs().max()) < 2e-6
    own = z[:3, :50].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: logprobs.at_targets(z, targets[:3] % 50), own)
    assert torch.autograd.gradgradcheck(lambda z: logprobs.at_targets(z, targets[:3] % 50), own)
