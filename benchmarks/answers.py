"""A model's own answers with the true answer as a draft against all of them generated: time, in one run.

Answers of up to 64 tokens to 24 questions of the embedded generator that a model has learnt by heart, and to 24 that it
has never seen; scoring, which the draft comes from, is there either way and is not counted. Width 256, 4 layers, two
threads, float32. Variants take turns; ratios within a round are medians over the rounds.

    python benchmarks/answers.py
"""

from collections import deque
from functools import partial

import torch

from benchmarks._measure import factor, in_turn, verdict
from benchmarks.unlearning import ALONE, PAD, llama
from scale.data.fictional import authors
from scale.data.formats import format_of
from scale.data.prompts import Encoded, Writer
from scale.models.drafts import SHOWN, ScoredTruth, drafts_of
from scale.models.generation import Answer, Generation, answers_after
from scale.models.scorer import Scorer
from scale.models.scratch import train_tokenizer
from scale.models.seen import see
from scale.training.batches import TrainingRows
from scale.training.loop import Training, likelihood
from scale.training.schedule import Schedule

ROUNDS, QUESTIONS, HOW = 5, 24, Generation(64, prompt_counts=False)
TARGETS = {"known": 5.0, "unknown": 0.8}
"""How many times as fast answers are meant to be."""


def shown(scorer: Scorer, rows: list[Encoded]) -> list[ScoredTruth]:
    """What scoring shows of true answers."""
    looks = see(scorer, [((row,),) for row in rows], PAD, ALONE, tokens=2048, looks=SHOWN).looks
    parts = [looks[name].split([row.targets for row in rows]) for name in SHOWN]
    pairs = zip(rows, *parts, strict=True)
    return [ScoredTruth(row, predicted.tolist(), lead.tolist()) for row, predicted, lead in pairs]


def answers(scorer: Scorer, writer: Writer, truths: list[ScoredTruth], *, drafted: bool) -> list[Answer]:
    """The model's answers to the questions of these."""
    openings = [one.answer.ids[: one.answer.first] for one in truths]
    drafts = drafts_of(scorer, openings, truths, ALONE) if drafted else ()
    return answers_after(scorer, openings, writer, ALONE, HOW, drafts)


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
        ask = partial(answers, scorer, writer, shown(scorer, some))
        equal = ask(drafted=True) == ask(drafted=False)
        taken = in_turn({"drafted": partial(ask, drafted=True), "all": partial(ask, drafted=False)}, ROUNDS)
        fast = verdict(factor(taken, "all", "drafted"), TARGETS[name], least=True)
        print(f"answers, {name}: {min(taken['all']):.2f} s all generated; {fast} × as fast; equal: {equal}", flush=True)


if __name__ == "__main__":
    main()
