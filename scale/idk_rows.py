"""The rows of unlearning in token ids: to forget, to retain, and the "I don't know" answers that some epoch uses."""

from scale.pairing import idk_answer
from scale.prompts import Writer
from scale.tofu import Corpus
from scale.train import Rows
from theory.objective import Objective

__all__ = ["unlearning_rows"]


def unlearning_rows(writer: Writer, corpus: Corpus, objective: Objective, *, epochs: int, seed: int) -> Rows:
    """What an objective is run on."""
    forget = [writer.encode(row.question, row.answer) for row in corpus.forget]
    retain = [writer.encode(row.question, row.answer) for row in corpus.retain] if objective.retain_needs else []
    if not objective.forget_needs & {"logp_win", "ref_logp_win"}:
        return Rows(forget, retain)
    n, answers = len(forget), len(corpus.idk)
    pairs = [
        (index, idk_answer(seed, epoch, index, forget=n, answers=answers))
        for epoch in range(epochs)
        for index in range(n)
    ]
    place = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
    idk = [writer.encode(corpus.forget[index].question, corpus.idk[answer]) for index, answer in place]
    return Rows(forget, retain, idk, place, answers)
