"""Weights spread over two processes by torch's own `fully_shard`: the same numbers as in one piece.

The worker below runs in two gloo processes; what it checks is said where it is checked.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed.fsdp import fully_shard
from two_processes import part, run_two

from records.store import Data
from scale.data.formats import format_of
from scale.data.prompts import Encoded, Writer, collate
from scale.models.answering.generation import Generation, answers
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.scratch import Shape, from_scratch, train_tokenizer
from scale.models.reading.packed import packable, question_of
from scale.models.reading.scorer import BatchPart, Scorer
from scale.models.reading.seen import see
from scale.models.reading.unpadded import in_one_row, unpadded
from scale.runtime import checkpoint
from scale.runtime.processes import Processes
from scale.training.clipping import clipped
from scale.training.optimizer_settings import OptimizerSettings
from scale.training.optimizers import optimizer_of
from scale.training.schedule import Schedule
from theory.losses import npo

QUESTIONS = ["Where was Ada born?", "Who wrote it?", "When was it?"]
ANSWERS = ["In the town of Brackwater.", "A clerk wrote it.", "In the spring."]
SCHEDULE = Schedule(lr=1e-2, epochs=1)
NEARBY = OptimizerSettings(name="SAM", rho=0.5)


def _language_model(family: str) -> LanguageModel:
    tokenizer = train_tokenizer(QUESTIONS + ANSWERS, 300, family=family)
    shape = Shape(family=family, hidden=32, layers=2, heads=2, feed_forward=64, positions=64, vocab=300)
    return LanguageModel(from_scratch(tokenizer, shape, seed=0), tokenizer)


def _sharded(scorer: Scorer) -> Scorer:
    """Layers and the rest are sharded apart, as FSDP2 does by its wrapping policy."""
    for layer in scorer.plain.get_decoder().layers:
        fully_shard(layer)
    fully_shard(scorer)
    return scorer


def _steps(scorer: torch.nn.Module, batch, optimizer) -> list[float]:
    """Three steps of NPO on a batch; the losses."""
    with torch.no_grad():
        reference = scorer(batch, [BatchPart(len(batch.ids))])[0]["logp"]
    losses = []
    for _ in range(3):
        loss = npo(scorer(batch, [BatchPart(len(batch.ids))])[0]["logp"], reference, beta=0.5).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss))
    return losses


def _worker(folder: Path, family: str) -> None:
    processes = Processes("cpu")
    assert processes.count == 2
    plain, spread = (_language_model(family) for _ in range(2))
    writer = Writer(plain.tokenizer, format_of("plain"), 64)
    encoded = [writer.encode(q, a) for q, a in zip(QUESTIONS, ANSWERS, strict=True)]
    batch = collate(encoded, writer.pad)
    alone, shards = Scorer(plain.model), _sharded(Scorer(spread.model))
    assert shards.head().weight.device_mesh.size() == 2

    _same_place_nearby(alone, shards, batch)
    _same_steps_and_weights(alone, shards, batch)
    _same_clipped(alone, shards, batch, processes)
    _same_without_padding(alone, shards, encoded, processes)
    _same_evaluation(alone, shards, writer, encoded, processes)
    _same_after_a_checkpoint(alone, shards, batch, folder / "checkpoint", family, processes)


def _same_steps_and_weights(alone, shards, batch) -> None:
    """Log-probabilities, and so the gradient of the head, are made where its weights are gathered."""
    optimizers = optimizer_of(alone.parameters(), SCHEDULE), optimizer_of(shards.parameters(), SCHEDULE)
    ours, theirs = _steps(alone, batch, optimizers[0]), _steps(shards, batch, optimizers[1])
    np.testing.assert_allclose(theirs, ours, rtol=1e-5)
    assert ours[-1] < ours[0] - 0.1
    alone.optimizer, shards.optimizer = optimizers
    whole = checkpoint.trained_weights(shards, optimizers[1])
    if torch.distributed.get_rank() == 0:
        for name, weight in alone.named_parameters():
            torch.testing.assert_close(whole[name], weight.detach(), rtol=1e-4, atol=1e-5)


def _same_place_nearby(alone, shards, batch) -> None:
    """SAM's perturbation is by the norm over all shards; both come back to the bit."""
    before = [weight.detach().clone() for weight in shards.parameters()]
    for scorer in (alone, shards):
        (-scorer(batch, [BatchPart(len(batch.ids))])[0]["logp"].mean()).backward()
        scorer.optimizer = optimizer_of(scorer.parameters(), SCHEDULE.model_copy(update={"optimizer": NEARBY}))
        scorer.optimizer.perturb()
    moved = sum(
        float((there.full_tensor() - here.full_tensor()).detach().square().sum())
        for there, here in zip(shards.parameters(), before, strict=True)
    )
    np.testing.assert_allclose(moved**0.5, NEARBY.options["rho"], rtol=1e-4)
    for ours, theirs in zip(alone.parameters(), shards.parameters(), strict=True):
        torch.testing.assert_close(theirs.full_tensor(), ours.detach(), rtol=1e-4, atol=1e-6)
    for scorer in (alone, shards):
        scorer.optimizer.restore()
    for weight, was in zip(shards.parameters(), before, strict=True):
        assert weight.to_local().equal(was.to_local())


def _same_clipped(alone, shards, batch, processes: Processes) -> None:
    """The norm is that of the whole gradient, and every shard of it is shortened alike."""
    norms = []
    for scorer in (alone, shards):
        (-scorer(batch, [BatchPart(len(batch.ids))])[0]["logp"].mean()).backward()
        norms.append(clipped(scorer, 0.5, processes)["norm"])
    assert norms[0] > 0.5
    np.testing.assert_allclose(norms[1], norms[0], rtol=1e-4)
    for ours, theirs in zip(alone.parameters(), shards.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad.full_tensor(), ours.grad, rtol=1e-3, atol=1e-6)
        ours.grad = theirs.grad = None


def _same_without_padding(alone, shards, encoded: list[Encoded], processes: Processes) -> None:
    assert unpadded(shards, encoded, processes)
    assert unpadded(alone, encoded, processes)
    for scorer in (alone, shards):
        (-scorer(in_one_row(encoded), [BatchPart(len(encoded))])[0]["logp"].mean()).backward()
    for ours, theirs in zip(alone.parameters(), shards.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad.full_tensor(), ours.grad, rtol=1e-3, atol=1e-6)
        ours.grad = theirs.grad = None


def _same_evaluation(alone, shards, writer: Writer, encoded: list[Encoded], processes: Processes) -> None:
    questions = [q for row in encoded for q in question_of([row])]
    assert packable(shards, questions, writer.pad, processes)
    whole = [((row,),) for row in encoded]
    ours = see(alone, whole, writer.pad, Processes("cpu"), tokens=64).logp
    theirs = see(shards, whole, writer.pad, processes, tokens=64).logp
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)
    how = Generation(max_length=24)
    said = [[a.text for a in answers(model, QUESTIONS, writer, processes, how)] for model in (alone, shards)]
    assert said[0] == said[1]
    tried = {key: found for key, found in alone.ways.items() if key[0] != "reads on"}  # shards: as the library does
    assert shards.ways == {**tried, **shards.ways}
    assert all(shards.ways.values())


def _same_after_a_checkpoint(alone, shards, batch, place: Path, family: str, processes: Processes) -> None:
    """What shards wrote, fresh shards and a whole model read, and both go on alike."""
    checkpoint.write(place, shards, shards.optimizer, Data({}, {"epoch": 1, "history": []}), processes)
    again = _sharded(Scorer(_language_model(family).model))
    optimizer = optimizer_of(again.parameters(), SCHEDULE)
    read = checkpoint.read(place, again, optimizer, processes)
    assert read is not None
    assert read.values == {"epoch": 1, "history": []}
    np.testing.assert_allclose(_steps(again, batch, optimizer), _steps(alone, batch, alone.optimizer), rtol=1e-5)


@pytest.mark.integration
@pytest.mark.parametrize("family", ["llama", "phi"])  # phi's head has a bias
def test_weights_in_shards_give_the_numbers_of_weights_in_one_piece(tmp_path, family):
    done = run_two(__file__, tmp_path, family)
    assert done.returncode == 0, done.stderr[-3000:]


if __name__ == "__main__":
    _worker(Path(sys.argv[1]), sys.argv[2])
    part()
