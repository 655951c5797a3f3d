"""Alternative answers: drawn once from the reference, kept, never the true answer, one a row and epoch."""

from collections import Counter

import pytest
import torch

from records.errors import UserError
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.data.user_rows import read_user_rows
from scale.models.answering.generation import Answer
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reference import alternates
from scale.models.reference.alternates import PER_ROW, Replaced, alternates_of
from scale.models.reference.cache import ReferenceModel
from scale.runtime.processes import Processes
from scale.training.batches import TrainingRows, batches
from scale.training.unlearning_rows import Divided, unlearning_rows
from theory.objective import method

TEXTS = authors(1, seed=0)[:4]
PLAIN = FORMATS["plain"]
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS], 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
MODEL = scratch.from_scratch(TOKENIZER, Shape(hidden=16, layers=1, heads=2, feed_forward=16), seed=0)
REFERENCE = ReferenceModel(Scorer(MODEL), "w", WRITER.pad, Processes("cpu"))


def _asked(row, own=()):
    true = WRITER.encode(row.question, row.answer)
    return Replaced(
        WRITER.opening(row.question), row.answer, true.targets, lambda text: WRITER.encode(row.question, text), own
    )


def _said(monkeypatch, *rounds):
    """The model says these answers, round after round; the last one ever after."""
    seeds = []

    def answers(scorer, openings, writer, processes, how):
        assert how.sample
        seeds.append(how.seed)
        return [Answer(rounds[min(len(seeds), len(rounds)) - 1], False) for _ in openings]

    monkeypatch.setattr(alternates, "answers_after", answers)
    return seeds


def test_what_is_drawn_is_kept_and_depends_on_weights_rows_and_settings(tmp_path):
    rows = [_asked(row) for row in TEXTS]
    first = alternates_of(tmp_path, REFERENCE, WRITER, rows)
    assert alternates_of(tmp_path, REFERENCE, WRITER, rows) == first
    assert all(1 <= len(found) <= PER_ROW for found in first)
    (path,) = tmp_path.iterdir()
    other = ReferenceModel(Scorer(MODEL), "other", WRITER.pad, REFERENCE.processes)
    alternates_of(tmp_path, other, WRITER, rows)
    alternates_of(tmp_path, REFERENCE, WRITER, rows[:3])
    alternates_of(tmp_path, REFERENCE, WRITER, rows, seed=1)
    assert len(list(tmp_path.iterdir())) == 4
    path.write_text("[1]")
    with pytest.raises(UserError, match=r"is damaged .*Delete it"):
        alternates_of(tmp_path, REFERENCE, WRITER, rows)


def test_a_true_answer_is_drawn_again_whatever_its_capitals_and_nothing_too(tmp_path, monkeypatch):
    (row,) = TEXTS[:1]
    seeds = _said(monkeypatch, row.answer.upper(), "", "One", "Two", "Three", "Four", "Five")
    (found,) = alternates_of(tmp_path, REFERENCE, WRITER, [_asked(row)])
    assert found == [WRITER.encode(row.question, text) for text in ("One", "Two", "Three", "Four", "Five")]
    assert len(set(seeds)) == 7


def test_where_nothing_else_is_found_the_true_answer_stands(tmp_path, monkeypatch):
    (row,) = TEXTS[:1]
    seeds = _said(monkeypatch, row.answer)
    assert alternates_of(tmp_path, REFERENCE, WRITER, [_asked(row)]) == [[WRITER.encode(row.question, row.answer)]]
    assert len(seeds) == 10


def test_rows_that_bring_their_own_use_these(tmp_path, monkeypatch):
    path = tmp_path / "mine.jsonl"
    mine = '{"question": "Who?", "answer": "Ada.", "alternates": ["Grace.", "Mary."]}'
    path.write_text(mine + '\n{"question": "Where?", "answer": "Rye."}\n')
    rows = read_user_rows(path).rows
    seeds = _said(monkeypatch, "Elsewhere.")
    (own, drawn) = alternates_of(
        tmp_path, REFERENCE, WRITER, [_asked(row, getattr(row, "alternates", ())) for row in rows]
    )
    assert own == [WRITER.encode("Who?", "Grace."), WRITER.encode("Who?", "Mary.")]
    assert set(drawn) == {WRITER.encode("Where?", "Elsewhere.")}
    assert len(seeds) == PER_ROW
    for wrong, said in (("5", "not a list of texts"), ('[""]', "none empty"), ("[]", "not a list of texts")):
        path.write_text(f'{{"question": "Who?", "answer": "Ada.", "alternates": {wrong}}}\n')
        with pytest.raises(UserError, match=said):
            read_user_rows(path)
    path.write_text('{"prompt": "Who?", "completion": "Ada.", "alternates": ["B"]}\n')
    with pytest.raises(UserError, match="alternates go with question and answer"):
        read_user_rows(path)


def test_each_row_goes_through_its_own_before_one_comes_again():
    encoded = [WRITER.encode(row.question, row.answer) for row in TEXTS]
    rows = TrainingRows(encoded, alternates=[[encoded[0]] * n for n in (1, 2, 3, 5)])
    used = Counter(
        place
        for epoch in range(30)
        for batch in batches(rows, method("AltPO"), size=3, seed=7, epoch=epoch)
        for place in batch.alternate
    )
    assert [used[i] for i in range(11)] == [30, 15, 15, 10, 10, 10, 6, 6, 6, 6, 6]


def test_only_an_objective_that_asks_for_them_draws_any():
    class Corpus:
        forget, retain, idk = TEXTS[:2], TEXTS[2:], ("No.",)

    corpus: Divided = Corpus()
    drawn = []

    def draw(rows):
        drawn.append(rows)
        return [[row.encode("B")] for row in rows]

    for name in ("NPO+RT", "AltPO+RT"):
        found = unlearning_rows(WRITER, corpus, method(name, beta=0.1), epochs=2, seed=0, draw=draw)
    assert len(drawn) == 1
    assert [len(rows) for rows in found.alternates] == [1, 1]
    assert isinstance(found.alternate, tuple)
    assert torch.tensor([row.targets for row in found.alternate]).min() > 1
