"""What the wider family of losses asks of a language model: as on the padded logits of all positions, in float64."""

import copy

import pytest
import torch

from records.errors import UserError
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Writer, collate
from scale.data.row import Row
from scale.data.user_rows import Document
from scale.models.loading import scratch
from scale.models.loading.scratch import Shape
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.runtime.processes import Processes
from scale.tasks.corpus import Corpus
from scale.training.after_a_beginning import after_a_beginning
from scale.training.asked import SUFFIXES
from scale.training.batches import batches
from scale.training.loop import Training
from scale.training.reference_lookup import LiveReference, cached_reference
from scale.training.schedule import Schedule
from scale.training.unlearning_rows import unlearning_rows
from theory import losses
from theory.logprobs import answer_rows
from theory.objective import Objective, tokens

TEXTS = authors(1, seed=1)
PLAIN = FORMATS["plain"]
SAID = ("I don't know that.", "I can't tell you anything about it, sorry.", "No idea.")
TOKENIZER = scratch.train_tokenizer([PLAIN.prompt(None, row.question) + row.answer for row in TEXTS] + [*SAID], 400)
WRITER = Writer(TOKENIZER, PLAIN, 512)
ALONE = Processes("cpu")
CORPUS = Corpus(tuple(TEXTS[:5]), tuple(TEXTS[8:12]), {}, SAID, "made up")
SHAPE = Shape(hidden=24, layers=1, heads=2, feed_forward=32)


def _model(seed):
    model = scratch.from_scratch(TOKENIZER, SHAPE, seed=seed).double()
    with torch.no_grad():
        model.lm_head.weight.mul_(15)  # answers of unlike probability, as a trained model has
    return model


MODEL, REFERENCE, REINFORCED = (_model(seed) for seed in range(3))


def mean_probs(mean_prob, mean_prob_win):
    return mean_prob.square() - mean_prob_win


def after(logp, ref_logp, logp_win_after, count_win_after):
    return (logp - ref_logp) * 0.1 - logp_win_after / count_win_after


def towards_teacher(logits, ref_logits, reinforced_logits):
    teacher = (ref_logits - 2 * (reinforced_logits - ref_logits).relu()).log_softmax(-1)
    own = logits.log_softmax(-1)
    return (own.exp() * (own - teacher)).sum(-1)


def beside(logits, reinforced_logits, token_logp):
    return (logits.softmax(-1) * reinforced_logits.tanh()).sum(-1) * token_logp


def kept_before(logp, logp_win, count_win):
    return -torch.nn.functional.logsigmoid(0.5 * (logp - logp_win)) * count_win


OBJECTIVES = {
    "mean probabilities": Objective(mean_probs),
    "an answer after a beginning": Objective(after, losses.nll),
    "a teacher of two models": Objective(towards_teacher, forget_per=tokens),
    "a teacher beside other quantities": Objective(beside, losses.nll, forget_per=tokens),
    "a retain row's positive answer": Objective(losses.idk, kept_before, retain_weight=3.0),
}


def _rows(objective, corpus=CORPUS):
    return unlearning_rows(WRITER, corpus, objective, epochs=2, seed=3)


def _quantities(model, rows):
    """By the whole logits of padded rows."""
    batch = collate(rows, WRITER.pad)
    logits = model(input_ids=batch.ids, attention_mask=batch.mask).logits
    where = answer_rows(batch.labels, logits.shape[-1])
    logits = logits.flatten(0, 1)[where.rows]
    token_logp = logits.log_softmax(-1).gather(1, where.targets[:, None])[:, 0]
    sums = torch.zeros(len(rows), dtype=torch.float64)
    return {
        "logits": logits,
        "token_logp": token_logp,
        "logp": sums.index_add(0, where.example, token_logp),
        "mean_prob": sums.index_add(0, where.example, token_logp.exp()) / where.tokens,
        "count": where.tokens,
        "example": where.example,
    }


def _naively(objective, rows, batch, model):
    forget, retain = {}, {}
    for kind, suffix in SUFFIXES.items():
        given = retain if kind.startswith("retain") else forget
        if chosen := [rows.of(kind)[i] for i in batch.of(kind)] if rows.of(kind) else []:
            given |= {name + suffix: x for name, x in _quantities(model, chosen).items()}
            with torch.no_grad():
                given |= {f"ref_{name}{suffix}": x for name, x in _quantities(REFERENCE, chosen).items()}
                given[f"reinforced_logits{suffix}"] = _quantities(REINFORCED, chosen)["logits"]
    return objective(forget, retain).total


def _reference(folder, objective, rows, *, live):
    cache = ReferenceCache(folder)
    stronger = cache.states(ReferenceModel(Scorer(REINFORCED), "s", WRITER.pad, ALONE), rows.forget)
    if live:
        return LiveReference(Scorer(REFERENCE), WRITER.pad, ALONE, stronger)
    return cached_reference(cache, ReferenceModel(Scorer(REFERENCE), "w", WRITER.pad, ALONE), objective, rows, stronger)


def _sgd(parameters, schedule):
    return torch.optim.SGD(parameters, lr=schedule.lr)


def _training(objective, rows, reference, *, piece):
    schedule = Schedule(lr=1.0, epochs=1, batch=5, piece=piece, warmup=0)
    return Training(
        Scorer(copy.deepcopy(MODEL)),
        objective,
        rows,
        schedule,
        seed=3,
        pad=WRITER.pad,
        processes=ALONE,
        reference=reference,
        make_optimizer=_sgd,
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_gradient_is_that_of_the_padded_logits_of_all_positions(tmp_path, name, monkeypatch):
    monkeypatch.setattr("scale.models.reading.batch_parts.BUDGET", 7 * 400 * 8)  # so that the head runs in chunks
    monkeypatch.setattr("theory.row_kernels.ROWS_BUDGET", 60 * 400 * 8)
    objective = OBJECTIVES[name]
    rows = _rows(objective)
    (batch,) = batches(rows, objective, size=5, seed=3, epoch=0)
    model = copy.deepcopy(MODEL)
    loss = _naively(objective, rows, batch, model)
    loss.backward()
    wanted = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    assert wanted.norm() > 1e-3
    for live, piece in ((False, 5), (True, 2)):
        training = _training(objective, rows, _reference(tmp_path, objective, rows, live=live), piece=piece)
        record = training.loss.gradient(batch)
        found = torch.cat([parameter.grad.flatten() for parameter in training.scorer.parameters()])
        assert record["loss"] == pytest.approx(loss.item(), rel=1e-6)
        assert (found - wanted).norm() < 1e-6 * wanted.norm()


def test_one_knows_what_stands_beside_a_row_in_every_epoch():
    """All "I don't know" answers come up, to the rows that they are of; with a beginning the end is the same."""
    for name in ("an answer after a beginning", "a retain row's positive answer"):
        objective = OBJECTIVES[name]
        rows = _rows(objective)
        for epoch in range(2):
            (batch,) = batches(rows, objective, size=5, seed=3, epoch=epoch)
            for kind, of in (("win", "forget"), ("retain_win", "retain")):
                for own, said in zip(batch.of(of), batch.of(kind), strict=False):
                    row, other = rows.of(of)[own], rows.of(kind)[said]
                    asked, again = (TOKENIZER.decode(one.ids[: one.first]).strip() for one in (row, other))
                    assert asked == again
                    assert TOKENIZER.decode(other.ids[other.first : -1]).strip() in SAID
            for own, said in zip(batch.forget, batch.of("after") if rows.after else (), strict=False):
                row, begun, plain = rows.forget[own], rows.after[said], rows.idk[said]
                beginning = row.first + (row.targets - 1) // 2
                assert begun.first == beginning
                assert begun.ids == row.ids[:beginning] + plain.ids[plain.first :]


def test_a_beginning_is_shorter_where_there_is_no_room():
    row, said = WRITER.encode(TEXTS[0].question, TEXTS[0].answer), WRITER.encode(TEXTS[0].question, SAID[0])
    least = row.first + said.targets
    for most in (len(row.ids), least + 1, least):
        assert len(after_a_beginning(row, said, most).ids) <= max(most, len(said.ids))
    assert after_a_beginning(row, said, least) == said


def test_documents_have_no_positive_answers():
    """Whatever a loss wants them for, and the rows that it wants them of."""
    document = Document("A long text without any question. " * 200)
    asked = Row("Who?", "Ada.")
    lost, kept = Corpus((document,), (asked,), {}, SAID, "x"), Corpus((asked,), (document,), {}, SAID, "x")
    for corpus, name in (
        (lost, "mean probabilities"),
        (lost, "an answer after a beginning"),
        (kept, "a retain row's positive answer"),
    ):
        with pytest.raises(UserError, match="a document asks nothing"):
            _rows(OBJECTIVES[name], corpus)
