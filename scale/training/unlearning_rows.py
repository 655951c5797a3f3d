"""The rows of unlearning in token ids: to forget, to retain, and the "I don't know" answers that some epoch uses."""

from collections.abc import Sequence

from records.errors import UserError
from scale.data.idk import IDK_ANSWERS
from scale.data.prompts import Encoded, Writer
from scale.data.tofu import Corpus
from scale.data.user_rows import UserRow
from scale.training.batches import TrainingRows, declines
from scale.training.pairing import idk_answer
from theory.objective import Objective

__all__ = ["unlearning_rows", "unlearning_user_rows"]


def unlearning_rows(writer: Writer, corpus: Corpus, objective: Objective, *, epochs: int, seed: int) -> TrainingRows:
    """What an objective is run on."""
    forget = [writer.encode(row.question, row.answer) for row in corpus.forget]
    retain = [writer.encode(row.question, row.answer) for row in corpus.retain] if objective.retain_needs else []
    if not declines(objective):
        return TrainingRows(forget, retain)
    place = _places(len(forget), len(corpus.idk), epochs=epochs, seed=seed)
    idk = [writer.encode(corpus.forget[index].question, corpus.idk[answer]) for index, answer in place]
    return TrainingRows(forget, retain, idk, place, len(corpus.idk))


def unlearning_user_rows(
    writer: Writer,
    rows: Sequence[UserRow],
    objective: Objective,
    *,
    forget: Sequence[Encoded],
    retain: Sequence[Encoded],
    epochs: int,
    seed: int,
) -> TrainingRows:
    """What unlearning a user's rows (ids: `forget`) trains on; UserError where they ask nothing that IDK can answer."""
    if not declines(objective):
        return TrainingRows(forget, retain)
    place = _places(len(rows), len(IDK_ANSWERS), epochs=epochs, seed=seed)
    try:
        idk = [rows[index].declined(writer, IDK_ANSWERS[answer]) for index, answer in place]
    except UserError as error:
        raise UserError(f"With “I don’t know” instead of its own answer: {error}") from None
    found = [row for row in idk if row is not None]
    if len(found) < len(idk):
        raise UserError("This method answers “I don’t know”, and a document asks nothing. Choose NPO, NPO+RT or GA.")
    return TrainingRows(forget, retain, found, place, len(IDK_ANSWERS))


def _places(n: int, answers: int, *, epochs: int, seed: int) -> dict[tuple[int, int], int]:
    """Where the row of each (forget row, answer) is that some epoch uses."""
    pairs = [
        (index, idk_answer(seed, epoch, index, forget=n, answers=answers))
        for epoch in range(epochs)
        for index in range(n)
    ]
    return {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
