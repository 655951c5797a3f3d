"""A model's own answers against the library's generation of all of them in one padded batch: time, in one run.

Ours: the true answer as a draft, the rest read on by rows at their own pace with guesses
(`scale.models.answering.greedy`). Answers of up to 64 tokens to 24 questions of the embedded generator that a model has
learnt by heart, and to 24 that it has never seen; scoring, which the draft comes from, is there either way and is not
counted. Width 256, 4 layers, two threads, float32. Variants take turns; ratios within a round are medians over the
rounds.

    python benchmarks/answers.py
"""

from collections import deque
from functools import partial

import torch
from transformers import GenerationConfig

from benchmarks._measure import factor, in_turn, verdict
from benchmarks.unlearning import ALONE, PAD, llama
from scale.data.fictional import authors
from scale.data.formats import format_of
from scale.data.prompts import Encoded, Writer
from scale.models.answering.drafts import SHOWN, ScoredTruth, drafts_of
from scale.models.answering.faster import left_padded
from scale.models.answering.generation import Generation, answers_after
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading.scorer import Scorer
from scale.models.reading.seen import see
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule

ROUNDS, QUESTIONS, HOW = 5, 24, Generation(64, prompt_counts=False)
TARGETS = {"known": 5.0, "unknown": 1.2}
"""How many times as fast answers are meant to be."""


def shown(scorer: Scorer, rows: list[Encoded]) -> list[ScoredTruth]:
    """What scoring shows of true answers."""
    looks = see(scorer, [((row,),) for row in rows], PAD, ALONE, tokens=2048, looks=SHOWN).looks
    parts = [looks[name].split([row.targets for row in rows]) for name in SHOWN]
    pairs = zip(rows, *parts, strict=True)
    return [ScoredTruth(row, predicted.tolist(), lead.tolist()) for row, predicted, lead in pairs]


def ours(scorer: Scorer, writer: Writer, truths: list[ScoredTruth]) -> list[list[int]]:
    """The tokens of the model's answers to the questions of these, as an examination has them."""
    openings = [one.answer.ids[: one.answer.first] for one in truths]
    hints = [one.answer.ids[one.answer.first :] for one in truths]
    drafts = drafts_of(scorer, openings, truths, ALONE)
    return [list(one.ids) for one in answers_after(scorer, openings, writer, ALONE, HOW, drafts, hints)]


def library(scorer: Scorer, writer: Writer, truths: list[ScoredTruth]) -> list[list[int]]:
    """Tokens of the answers as the library generates them, all in one batch."""
    ids, mask = left_padded([one.answer.ids[: one.answer.first] for one in truths], writer.pad)
    settings = GenerationConfig(
        max_new_tokens=HOW.max_length, do_sample=False, pad_token_id=writer.pad, eos_token_id=writer.end
    )
    new = scorer.generate(ids, mask, settings)[:, ids.shape[1] :].tolist()
    return [row[: row.index(writer.end)] if writer.end in row else row for row in new]


def main() -> None:
    """Print a line for what is known and one for what is not."""
    torch.set_num_threads(2)
    asked = authors(3, seed=0)[: 2 * QUESTIONS]
    tokenizer = train_tokenizer([text for row in asked for text in (row.question, row.answer)], 2048)
    writer = Writer(tokenizer, format_of("plain"), 2048)
    rows = [writer.encode(row.question, row.answer) for row in asked]
    sets = {"known": rows[:QUESTIONS], "unknown": rows[QUESTIONS:]}
    scorer = Scorer(llama(256, 4, 4, 704, len(tokenizer), tied=True))
    schedule = Schedule(lr=2e-3, epochs=40, batch=8)
    training = Training(scorer, likelihood, TrainingRows(sets["known"]), schedule, seed=0, pad=PAD, processes=ALONE)
    deque(training.run(), 0)
    for name, some in sets.items():
        ways = {way.__name__: partial(way, scorer, writer, shown(scorer, some)) for way in (library, ours)}
        equal = ways["library"]() == ways["ours"]()
        taken = in_turn(ways, ROUNDS)
        fast = verdict(factor(taken, "library", "ours"), TARGETS[name], least=True)
        print(
            f"answers, {name}: {min(taken['library']):.2f} s by the library; {fast} × as fast; equal: {equal}",
            flush=True,
        )


if __name__ == "__main__":
    main()
