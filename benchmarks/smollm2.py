"""SmolLM2-135M on real TOFU rows: a step of NPO+RT and an evaluation, against the naive way; tokens a second, memory.

Eight forget and eight retain rows in the model's own chat template, float32, two threads. Naive: two models, three
forward passes, rows padded to 200 tokens, logits everywhere; the same for the seven answers to four questions. Tokens
are those of the rows themselves, padding not counted: what a user waits for. Needs the model (npo model get NAME)
and the data (NPO_DATA).

    python benchmarks/smollm2.py
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks._measure import factor, in_turn, peak, peak_rss
from benchmarks.evaluation import packed, padded
from benchmarks.unlearning import ALONE, BETA
from records.errors import UserError
from scale.data.formats import format_of
from scale.data.prompts import Batch, Encoded, Writer, collate
from scale.data.tofu import read_rows
from scale.models.folders.language_model import max_length
from scale.models.loading.names import located
from scale.models.loading.whole import load
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.training.batches import TrainingRows
from scale.training.loop import Training
from scale.training.reference_lookup import cached_reference
from scale.training.schedule import Schedule
from theory.losses import npo
from theory.objective import method

NAME, BATCH, ROUNDS = "smollm2-135m", 8, 3


class Given(NamedTuple):
    """Rows to forget, rows to keep, questions with seven answers each; what pads."""

    forget: list[Encoded]
    retain: list[Encoded]
    questions: list[list[Encoded]]
    pad: int


def given(writer: Writer) -> Given:
    """From TOFU's files."""
    folder = Path(os.environ["NPO_DATA"])
    forget, retain = (read_rows(folder / f"{name}_perturbed.json", perturbed=True) for name in ("forget10", "retain"))
    return Given(
        [writer.encode(row.question, row.answer) for row in forget[:BATCH]],
        [writer.encode(row.question, row.answer) for row in retain[:BATCH]],
        [
            [writer.encode(row.question, text) for text in (row.answer, row.paraphrased_answer, *row.perturbed_answer)]
            for row in forget[:4]
        ],
        writer.pad,
    )


def _loaded() -> tuple[Scorer, Given]:
    language_model = load(NAME)
    writer = Writer(language_model.tokenizer, format_of("chat"), max_length(language_model.model))
    scorer = Scorer(language_model.model)
    return scorer, given(writer)


def naive_step() -> Callable[[], object]:
    """Two models, all logits, 200 tokens a row."""
    scorer, rows = _loaded()
    reference = load(NAME).model
    optimizer = torch.optim.AdamW(scorer.parameters(), lr=1e-6)
    longest_row = Encoded((rows.pad,) * 200, 200)

    def batch(part: list[Encoded]) -> Batch:
        return Batch(*(tensor[:-1] for tensor in collate([*part, longest_row], rows.pad)))

    forget, retain = batch(rows.forget), batch(rows.retain)

    def logp(model: torch.nn.Module, part: Batch) -> Tensor:
        logits = model(input_ids=part.ids, attention_mask=part.mask).logits[:, :-1].contiguous()
        labels = part.labels[:, 1:].contiguous()
        nll = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        return -nll.view_as(labels).sum(-1)

    def step() -> None:
        with torch.no_grad():
            ref_logp = logp(reference, forget)
        loss = npo(logp(scorer.model, forget), ref_logp, beta=BETA).mean() - logp(scorer.model, retain).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def our_step() -> Callable[[], object]:
    """The training loop of `scale`."""
    scorer, rows = _loaded()
    objective, data = method("NPO+RT", beta=BETA), TrainingRows(rows.forget, rows.retain)
    reference_model = ReferenceModel(scorer, NAME, rows.pad, ALONE)
    with tempfile.TemporaryDirectory() as folder:
        reference = cached_reference(ReferenceCache(Path(folder)), reference_model, objective, data)
    schedule = Schedule(lr=1e-6, epochs=1, batch=BATCH, piece=BATCH, warmup=0)
    training = Training(scorer, objective, data, schedule, seed=0, pad=rows.pad, processes=ALONE, reference=reference)
    return lambda: list(training.run())


def _evaluation(how: Callable[[Scorer, list[list[Encoded]]], Tensor]) -> Callable[[], object]:
    scorer, rows = _loaded()
    return partial(how, scorer.eval(), rows.questions)


MADE: dict[str, Callable[[], Callable[[], object]]] = {
    "step naive": naive_step,
    "step ours": our_step,
    "evaluation naive": partial(_evaluation, padded),
    "evaluation ours": partial(_evaluation, packed),
}


def main() -> None:
    """A line for the step, a line for the evaluation."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peak", choices=list(MADE), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    if arguments.peak:
        MADE[arguments.peak]()()
        print(peak_rss())
        return
    if "NPO_DATA" not in os.environ:
        print("not measured: NPO_DATA is unset; it names the folder of the TOFU files")
        return
    try:
        located(NAME)
    except UserError as error:
        print(f"not measured: {error}")
        return
    memory = {name: peak(__file__, name) for name in MADE}
    rows = _loaded()[1]
    tokens = {
        "step": sum(len(row.ids) for row in (*rows.forget, *rows.retain)),
        "evaluation": sum(len(row.ids) for some in rows.questions for row in some),
    }
    for what, count in tokens.items():
        taken = in_turn({name: MADE[f"{what} {name}"]() for name in ("naive", "ours")}, ROUNDS)
        speed = {name: count / statistics.median(times) for name, times in taken.items()}
        print(
            f"{what}: {speed['naive']:.0f} tokens a second naive, {speed['ours']:.0f}; "
            f"{factor(taken, 'naive', 'ours'):.3g} × as fast; "
            f"memory {memory[f'{what} ours']:.0f} of {memory[f'{what} naive']:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    main()
