"""What is asked: questions stay whole, and everything measured is what the logits say, however it is computed."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_families import family

from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.prompts import Encoded, Writer, collate
from scale.data.questions import Conversation, Question, QuestionSet, Reading, Verbatim, asks
from scale.evaluation.catalogue import METRICS
from scale.evaluation.exam import Exam, examine
from scale.evaluation.measurable import END
from scale.evaluation.metrics.losses import Losses
from scale.evaluation.protocols import PROTOCOLS
from scale.evaluation.results import NOTHING, SetResult, arrays, from_arrays
from scale.evaluation.scored import losses_of, scored_of
from scale.evaluation.scores import scores
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading.scorer import Scorer
from scale.models.reading.seen import Seen, see
from scale.runtime.processes import Processes
from theory.logprobs import Head, answer_rows, summed, token_logprobs
from theory.looks import LOOKS, looked_at

ALONE, TOFU = Processes("cpu"), PROTOCOLS["tofu"]
VALUES = json.loads((Path(__file__).parent / "data" / "open_unlearning_values.json").read_text(encoding="utf8"))
ROWS = authors(1, seed=0)[:3]
TOKENIZER = train_tokenizer([FORMATS["plain"].prompt(None, row.question) + row.answer for row in ROWS], 320)
WRITER = Writer(TOKENIZER, FORMATS["plain"], 512)
QUESTIONS = (
    *(row.asked for row in ROWS),
    Question("Who?", ("Ada.",)),
    Question("Where?", ("In Oldham.", "It was in Oldham.", "Oldham it was.", "In Bury."), paraphrases=2),
    Question(Verbatim("Once upon a"), ("time.", "mile.")),
)


def model():
    return family("llama", vocab=len(TOKENIZER), end=TOKENIZER.eos_token_id, pad=TOKENIZER.pad_token_id)


# --- what the logits say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", VALUES["cases"])
def test_open_unlearning_s_own_values(case):
    """Its probability counts the end token; its memorisation metrics and token log-probabilities leave it out."""
    ids, logits = case["prompt"] + case["answer"], torch.tensor([case["logits"]], dtype=torch.float64)
    row = Encoded(tuple(ids), len(case["prompt"]))
    head = Head(torch.eye(logits.shape[-1], dtype=torch.float64))
    looked = looked_at(logits, head, collate([row], 0).labels, torch.tensor([True]), LOOKS)
    seen = Seen(looked.summed.logp, looked.summed.tokens, {"token_logp": looked.token_logp, **looked.looks})
    (scored,) = scored_of([((row,),)], seen, ends={case["answer"][-1]})
    assert scored.loss[0] == pytest.approx(case["avg_loss"], rel=1e-9)
    assert math.exp(-scored.loss[0]) == pytest.approx(case["prob"], rel=1e-9)
    np.testing.assert_allclose(scored.of_tokens["token_logp"], case["token_logp"], rtol=1e-6)
    predicted, labels = scored.of_tokens["predicted"], scored.of_tokens["labels"]
    assert METRICS["exact_memorization"].function(predicted, labels) == pytest.approx(case["em"], rel=1e-6)
    assert METRICS["extraction_strength_floored"].function(predicted, labels) == pytest.approx(case["es"], rel=1e-9)


def test_open_unlearning_s_own_truth_ratios():
    known = VALUES["truth_ratio"]
    losses = Losses(*(np.array(known[key]) for key in ("paraphrase", "paraphrase", "perturbed")))
    for name, theirs in {
        "forget_truth_ratio": "closer_to_1_better",
        "retain_truth_ratio": "true_better",
        "truth_share": "prob_mean",
    }.items():
        ours = METRICS[name].function(TOFU.log_truth_ratio(losses))
        assert ours.mean() == pytest.approx(known[theirs]["agg"], rel=1e-8)
    among = METRICS["probability_among"].function(losses)
    np.testing.assert_allclose(among, known["probability_w_options"], rtol=1e-8)


@pytest.mark.parametrize("budget", [1, 2000, 2**30])
@pytest.mark.parametrize("softcap", [None, 1.5])
def test_looks_are_those_of_the_logits_and_leave_sums_as_they_are(budget, softcap):
    random = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(3, 7, 5, generator=random), torch.randn(11, 5, generator=random)
    labels = torch.randint(0, 11, (3, 7), generator=random)
    labels[0, :4] = labels[2, 5:] = -100
    head, answers = Head(weight, softcap=softcap), torch.tensor([True, False, True])
    found = looked_at(hidden, head, labels, answers, LOOKS, budget=budget)
    plain = summed(hidden, head, labels, budget=budget)
    assert torch.equal(found.summed.logp, plain.logp)
    assert torch.equal(found.summed.tokens, plain.tokens)
    where = answers[answer_rows(labels, 11).example]
    logits = head.logits(hidden.flatten(0, 1)[answer_rows(labels, 11).rows[where]]).double()
    logp = logits.log_softmax(1)
    p = logp.exp()
    mean = (p * logp).sum(1)
    torch.testing.assert_close(found.token_logp, token_logprobs(hidden, head, labels, budget=budget).logp[where])
    assert torch.equal(found.looks["predicted"], logits.argmax(1))
    torch.testing.assert_close(found.looks["mean_logp"].double(), mean, rtol=1e-5, atol=1e-6)
    variance = (p * logp**2).sum(1) - mean**2
    torch.testing.assert_close(found.looks["variance"].double(), variance, rtol=1e-4, atol=1e-6)


def test_a_token_that_is_ruled_out_leaves_the_looks_finite():
    head = Head(torch.eye(3))
    hidden = torch.tensor([[[0.0, 0.0, -math.inf], [0.0, 0.0, 0.0]]])
    hidden[0, 0, 2] = -1e30
    found = looked_at(hidden, head, torch.tensor([[-100, 1]]), torch.tensor([True]), LOOKS)
    assert found.looks["mean_logp"].item() == pytest.approx(-math.log(2))
    assert found.looks["variance"].item() == pytest.approx(0, abs=1e-12)


def test_packed_and_row_by_row_everything_measured_is_the_same():
    scorer = Scorer(model())
    encoded = [question.encode(WRITER) for question in QUESTIONS]
    packed = see(scorer, encoded, WRITER.pad, ALONE, tokens=400, looks=LOOKS)
    assert [way for way, right in scorer.ways.items() if way[0] == "packed" and right]
    scorer.model.config._attn_implementation = "eager"
    plain = see(scorer, encoded, WRITER.pad, ALONE, tokens=400, looks=LOOKS)
    torch.testing.assert_close(packed.logp, plain.logp, rtol=1e-5, atol=1e-4)
    assert torch.equal(packed.tokens, plain.tokens)
    assert torch.equal(packed.looks["predicted"], plain.looks["predicted"])
    for name in ("token_logp", "mean_logp", "variance"):
        torch.testing.assert_close(packed.looks[name], plain.looks[name], rtol=1e-4, atol=1e-4)
    each = [one.of_tokens["token_logp" + END].sum() for one in scored_of(encoded, packed, {WRITER.end})]
    firsts = np.cumsum([0, *(len(question) for question in encoded[:-1])])
    np.testing.assert_allclose(each, packed.logp[firsts], rtol=1e-5)


def test_nothing_is_looked_at_that_no_metric_asks_for(monkeypatch):
    from scale.evaluation import exam as module

    asked = []
    monkeypatch.setattr(module, "see", lambda *given, **more: asked.append(more["looks"]) or see(*given, **more))
    monkeypatch.setattr(module, "answers_after", lambda *given: pytest.fail("nobody asked for an answer"))
    sets = {"forget": QuestionSet(QUESTIONS, asks("probability")), "other": QuestionSet(QUESTIONS, {})}
    exam = Exam.of(sets, TOFU, WRITER, whole=())
    assert exam.encoded["other"] == ()
    found = examine(Scorer(model()), exam, ALONE)
    assert found["other"] == SetResult(NOTHING, NOTHING, {})
    more = {"other": QuestionSet(QUESTIONS, asks("exact_memorization"))}
    examine(Scorer(model()), Exam.of({**sets, **more}, TOFU, WRITER, whole=()), ALONE)
    assert asked == [(), ("predicted",)]


# --- questions and their answers --------------------------------------------------------------------------------------


def test_every_form_of_asking_is_encoded_whole():
    assert [len(question.encode(WRITER)) for question in QUESTIONS] == [7, 7, 7, 1, 4, 2]
    document = Question(Reading("Once"), ("Once upon a time there was Ada Berg. " * 40,))
    short = WRITER._replace(max_length=64)
    ((*pieces,),) = document.encode(short)
    assert len(pieces) > 1
    seen = see(Scorer(model()), [document.encode(short)], 0, ALONE, tokens=99)
    (scored,) = scored_of([document.encode(short)], seen, {WRITER.end})
    assert scored.tokens[0] == sum(piece.targets for piece in pieces)
    assert len(scored.of_tokens["labels"]) == scored.tokens[0] - 1
    assert Conversation((("user", "Who?"),)).shown == "Who?"
    for wrong in ((), ("Ada.",)):
        with pytest.raises(ValueError, match="paraphrase"):
            Question("Who?", wrong, paraphrases=1)


COUNTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=5)


@settings(max_examples=40)
@given(COUNTS, st.randoms(use_true_random=False))
def test_losses_come_back_to_their_questions_and_order_leaves_means(counts, random):
    """Any number of paraphrases and wrong answers: what is told of a question is what its own answers say."""
    from scale.evaluation.scored import Scored

    def column(n):
        return np.array([random.uniform(0, 4) for _ in range(n)])

    questions = [Question("Q", ("a",) * (1 + p + w), paraphrases=p) for p, w in counts]
    scored = [Scored(column(len(q.answers)), np.ones(len(q.answers)), {}) for q in questions]

    def found_in(order):
        losses, tokens = losses_of([questions[i] for i in order], [scored[i] for i in order])
        return SetResult(losses, tokens, {})

    order = list(range(len(questions)))
    part = found_in(order)
    again = from_arrays(arrays({"forget": part}))["forget"]
    values = scores({"forget": again, "real_authors": again}, TOFU)
    for i, (question, one) in enumerate(zip(questions, scored, strict=True)):
        assert part.losses.answer[i] == one.loss[0]
        expected = one.loss[1 : 1 + question.paraphrases].mean() if question.paraphrases else one.loss[0]
        assert part.losses.paraphrase[i] == expected
        assert part.losses.perturbed[i][: len(question.wrong)].tolist() == one.loss[1 + question.paraphrases :].tolist()
    rivals = [one.loss[[0, *range(1 + q.paraphrases, len(one.loss))]] for q, one in zip(questions, scored, strict=True)]
    among = [np.exp(-losses[0]) / np.exp(-losses).sum() for losses in rivals]
    assert values["real_authors_probability"] == pytest.approx(np.mean(among))
    assert ("forget_truth_ratio" in values) == any(question.wrong for question in questions)
    random.shuffle(order)
    shuffled = scores({"forget": found_in(order), "real_authors": found_in(order)}, TOFU)
    assert shuffled == pytest.approx(values, nan_ok=True)
