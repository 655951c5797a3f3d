"""Rows as open-unlearning reads them: tokens are counted, the padding token is unseen, ratios are guarded."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_families import family
from tokenizers import processors

from records.errors import UserError
from scale.data.counted import MOST, counting, truth_after
from scale.data.formats import FORMATS, Chat, Tags
from scale.data.prompts import Encoded, Writer, collate
from scale.data.questions import Conversation, Question, QuestionSet, Verbatim, asks
from scale.evaluation import metrics
from scale.evaluation.catalogue import METRICS
from scale.evaluation.exam import Exam, about_rouge, examine
from scale.evaluation.metrics.losses import GUARD, Losses
from scale.evaluation.metrics.rouge import rouge1_latin, rouge_latin
from scale.evaluation.protocols import PROTOCOLS
from scale.models.answering.drafts import draft
from scale.models.answering.faster import left_padded
from scale.models.loading.scratch import train_tokenizer
from scale.models.reading.packed import question_of
from scale.models.reading.scorer import Scorer
from scale.models.reading.seen import see
from scale.runtime.processes import Processes

ALONE, THEIRS = Processes("cpu"), PROTOCOLS["open-unlearning"]
PHI = FORMATS["phi-1.5"]
TEXTS = ["Question: Who wrote The Lake?\nAnswer: The author is Ada Berg.", "Question: Where?\nAnswer: In Oldham."]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer_of(template=None, *, pad_is_end=False, vocab=330):
    tokenizer = train_tokenizer(TEXTS, vocab)
    if template:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"], "eos_token": "<|im_end|>"})
        tokenizer.chat_template = template
    if pad_is_end:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


PLAIN, CHAT = tokenizer_of(), tokenizer_of(CHATML, pad_is_end=True)


def test_the_first_answer_token_is_lost_where_the_prompt_ends_in_a_space():
    writer, theirs = Writer(PLAIN, PHI, 999), counting(Writer(PLAIN, PHI, 999))
    ours, counted = (one.encode("Who wrote The Lake?", "The author is Ada Berg.") for one in (writer, theirs))
    assert counted.ids == ours.ids
    assert counted.first == ours.first + 1
    assert PLAIN.decode([ours.ids[ours.first]]) == " The"
    opening = theirs.opening("Who wrote The Lake?")
    assert PLAIN.decode(opening) == "Question: Who wrote The Lake?\nAnswer: "
    assert len(opening) == counted.first
    assert opening[:-1] == writer.opening("Who wrote The Lake?")
    assert PLAIN.decode(opening[-1:]) == " "


def test_where_tokens_merge_across_the_border_the_first_whole_one_is_the_first_target():
    tokenizer = train_tokenizer(["Ask xb"] * 9, 300)
    writer = Writer(tokenizer, Tags("", " x"), 99)
    assert writer.encode("why", "b").first == len(writer.encode("why", "b").ids) - 2  # " xb", which is one token
    counted = counting(writer).encode("why", "bbb")  # "why x" has five tokens, and "why xb" four
    assert tokenizer.decode(list(counted.ids[counted.first :])) == "b" + tokenizer.eos_token


def test_what_a_template_writes_after_the_end_token_is_predicted_and_closed_again():
    theirs, ours = counting(Writer(CHAT, Chat(), 999)), Writer(CHAT, Chat(), 999)
    counted = theirs.encode("Who?", "Ada.")
    said = CHAT.convert_ids_to_tokens(list(counted.ids[counted.first :]))
    assert CHAT.decode(list(counted.ids[counted.first :])) == "Ada.<|im_end|>\n<|im_end|>"
    assert said[-1] == said[-3] == "<|im_end|>"
    assert counted.targets == ours.encode("Who?", "Ada.").targets + 2
    assert theirs.encode_chat([("user", "Who?")], "Ada.") == counted
    assert theirs.opening_chat([("user", "Who?")]) == theirs.opening("Who?") == counted.ids[: counted.first]


def test_a_template_s_own_generation_prompt_is_counted_though_a_finished_turn_has_more():
    """Zephyr's asks with "<|assistant|>" and writes a line break into the answer's turn; theirs predicts it."""
    template = (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokenizer = tokenizer_of(template)
    tokenizer.chat_template = template
    counted = counting(Writer(tokenizer, Chat(), 999)).encode("Who?", "Ada.")
    assert tokenizer.decode(list(counted.ids[counted.first :])) == "\nAda." + tokenizer.eos_token


def test_the_padding_token_is_unseen_wherever_it_stands_but_last():
    counted = counting(Writer(CHAT, Chat("Be good."), 999)).encode("Who?", "Ada.")
    end = CHAT.eos_token_id
    assert counted.unseen == tuple(i for i, token in enumerate(counted.ids[:-1]) if token == end)
    assert len(counted.unseen) == 3  # system, user, and the answer's own
    batch = collate([counted, Encoded((5, 6), 1)], end)
    assert batch.mask[0].tolist() == [int(i not in counted.unseen) for i in range(len(counted.ids))]
    assert batch.mask[1, :3].tolist() == [1, 1, 0]
    assert Writer(CHAT, Chat(), 999).encode("Who?", "Ada.").unseen == ()
    ids, mask = left_padded([(5, end, 6), (7,)], end, frozenset({end}))
    assert mask.tolist() == [[1, 0, 1], [0, 0, 1]]
    assert ids.tolist() == [[5, end, 6], [end, end, 7]]


def test_between_tags_a_text_is_cut_and_closed_all_the_same_and_a_chat_is_not():
    long = "Ada Berg. " * 400
    cut = counting(Writer(PLAIN, PHI, 9999)).encode("Who?", long)
    assert (len(cut.ids), cut.ids[-1]) == (MOST + 1, PLAIN.eos_token_id)
    assert len(counting(Writer(CHAT, Chat(), 9999)).encode("Who?", long).ids) > MOST + 1
    with pytest.raises(UserError, match="at most 99 are read"):
        counting(Writer(CHAT, Chat(), 99)).encode("Who?", long)
    with pytest.raises(UserError, match=r"no token is left to predict after the 512 of its prompt.*another protocol"):
        counting(Writer(_closing(PLAIN), PHI, 9999)).encode(long, "Ada.")


def _closing(tokenizer):
    """The tokenizer, that closes every text itself."""
    other = train_tokenizer(TEXTS, 330)
    end = other.eos_token
    other.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, tokenizer.eos_token_id)]
    )
    return other


def test_a_tokenizer_that_ends_no_text_is_refused_and_one_without_padding_pads_with_the_end():
    tokenizer = tokenizer_of()
    tokenizer.pad_token = None
    assert counting(Writer(tokenizer, PHI, 99)).unseen == {tokenizer.eos_token_id}
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        counting(Writer(tokenizer, PHI, 99)).encode("Who?", "Ada.")


@pytest.mark.parametrize("asked", ["Who wrote it?", Verbatim("Once: "), Conversation((("user", "Who?"),))])
def test_answers_are_compared_with_the_row_s_words_less_those_of_the_prompt(asked):
    theirs = counting(Writer(CHAT, Chat(), 999))
    assert truth_after(theirs, Question(asked, ("The author , Ada.",))) == "The author, Ada."  # tidied


WORDS = st.text("abAB .,'", min_size=1, max_size=20).filter(str.strip)


@given(question=WORDS, answer=WORDS)
def test_rows_and_openings_always_agree(question, answer):
    """The opening has as many tokens as are no targets, and an opening that begins the row begins it with the text."""
    for tokenizer, form in ((PLAIN, PHI), (CHAT, Chat()), (PLAIN, FORMATS["plain"])):
        writer = counting(Writer(tokenizer, form, 999))
        row, opening = writer.encode(question, answer), writer.opening(question)
        assert len(opening) == row.first
        assert row.ids[-1] == tokenizer.eos_token_id
        assert not row.unseen or max(row.unseen) < len(row.ids) - 1


# --- what is unseen in a model -----------------------------------------------------------------------------------


def _exam(protocol, tokenizer, form, **sets):
    rows = [("Who wrote it?", "Ada Berg."), ("Where was she born, in what town?", "In Oldham, they say.")]
    questions = tuple(Question(q, (a, "It was " + a, "Nobody.", "In Bury."), paraphrases=1) for q, a in rows)
    asked = QuestionSet(
        questions, asks("probability", "rouge", "extraction_strength", truth_ratio="forget_truth_ratio"), new_tokens=12
    )
    return Exam.of({"forget": asked, **sets}, protocol, Writer(tokenizer, form, 512))


def _model(tokenizer):
    return family("llama", vocab=len(tokenizer), end=tokenizer.eos_token_id, pad=tokenizer.pad_token_id)


def test_what_is_unseen_is_read_as_the_library_reads_a_mask_that_has_it():
    exam, model = _exam(THEIRS, CHAT, Chat("Be good.")), _model(CHAT)
    rows = [row for question in exam.encoded["forget"] for answer in question for row in answer]
    seen = see(Scorer(model), exam.encoded["forget"], exam.writer.pad, ALONE, tokens=9999)
    for row, logp in zip(rows, seen.logp, strict=True):
        ids = torch.tensor([row.ids])
        mask = (ids != CHAT.pad_token_id).long()
        logits = model(input_ids=ids, attention_mask=mask).logits[0].detach().log_softmax(-1)
        own = sum(float(logits[i - 1, row.ids[i]]) for i in range(row.first, len(row.ids)))
        assert float(logp) == pytest.approx(own, rel=1e-5)
    plain = see(Scorer(model), _exam(PROTOCOLS["tofu"], CHAT, Chat("Be good.")).encoded["forget"], 0, ALONE, tokens=99)
    assert not torch.allclose(plain.logp, seen.logp, rtol=1e-3)


def test_answers_after_prompts_with_unseen_tokens_are_the_library_s():
    exam, model = _exam(THEIRS, CHAT, Chat("Be good.")), _model(CHAT)
    found = examine(Scorer(model), exam, ALONE)["forget"].answers
    openings = [question.asked.opening(exam.writer) for question in exam.sets["forget"].questions]
    for said, opening in zip(found, openings, strict=True):
        ids = torch.tensor([opening])
        new = model.generate(
            ids, attention_mask=(ids != CHAT.pad_token_id).long(), max_new_tokens=12, do_sample=False, pad_token_id=0
        )
        text = CHAT.decode(new[0, len(opening) :], skip_special_tokens=True)
        assert said == CHAT.clean_up_tokenization(text).strip()


def test_where_some_of_the_prompt_is_unseen_the_truth_is_no_draft():
    answer = Encoded((5, 6, 7, 8, 2), first=2, unseen=(1,))
    assert draft((5, 6), answer, [7, 8, 2], [3.0] * 3, least=0.01) == ()
    assert draft((5, 6), answer._replace(unseen=(4,)), [7, 8, 2], [3.0] * 3, least=0.01) == (7, 8, 2)


def test_a_model_s_own_penalty_counts_under_their_protocol_alone():
    model = _model(PLAIN)
    before = {p: examine(Scorer(model), _exam(PROTOCOLS[p], PLAIN, PHI), ALONE) for p in ("tofu", "open-unlearning")}
    model.generation_config.repetition_penalty = 1.8
    after = {p: examine(Scorer(model), _exam(PROTOCOLS[p], PLAIN, PHI), ALONE) for p in before}
    assert before["tofu"]["forget"].answers == after["tofu"]["forget"].answers
    assert before["open-unlearning"]["forget"].answers != after["open-unlearning"]["forget"].answers


# --- guards -----------------------------------------------------------------------------------------------------------

LOSSES = st.floats(0, 60)


@given(truth=LOSSES, paraphrase=LOSSES, wrong=st.lists(LOSSES, min_size=1, max_size=5))
def test_the_guarded_forms_are_what_is_written_of_probabilities(truth, paraphrase, wrong):
    losses = Losses(np.array([truth]), np.array([paraphrase]), np.array([wrong]))
    w, c = math.exp(-np.mean(wrong)), math.exp(-paraphrase)
    ratio = metrics.log_truth_ratio_guarded(losses)
    assert math.exp(ratio[0]) == pytest.approx(w / (c + GUARD), rel=1e-9)
    assert metrics.truth_share_guarded(losses)[0] == pytest.approx(c / (c + w + GUARD))
    among = math.exp(-truth) / (math.exp(-truth) + sum(math.exp(-x) for x in wrong) + GUARD)
    assert metrics.probability_among_guarded(losses)[0] == pytest.approx(among)


def test_of_what_is_likely_the_guard_changes_nothing_and_of_a_destroyed_model_everything():
    likely, lost = (Losses(np.array([x]), np.array([x]), np.full((1, 5), x)) for x in (1.0, 50.0))
    for losses, guarded in ((likely, 0.0), (lost, -50 - math.log(GUARD))):
        assert metrics.log_truth_ratio_geometric(losses) == pytest.approx([0], abs=1e-12)
        assert metrics.log_truth_ratio_guarded(losses) == pytest.approx([guarded], abs=1e-8)
    none = likely._replace(perturbed=np.empty((1, 0)))
    assert np.isnan(metrics.log_truth_ratio_guarded(none)).all()
    assert np.isnan(metrics.truth_share_guarded(none)).all()


def test_the_protocol_s_forms_are_metrics_and_its_scores_are_of_them():
    assert all(name in METRICS and form in METRICS for name, form in THEIRS.forms.items())
    exam = _exam(THEIRS, PLAIN, PHI)
    assert exam.sets["forget"].metrics["extraction_strength"] == "extraction_strength_floored"
    found = exam.scores(examine(Scorer(_model(PLAIN)), exam, ALONE, generate=False))
    assert found["forget_extraction_strength"] > 0  # nothing is known, and it has a floor
    ours = _exam(PROTOCOLS["all-questions"], PLAIN, PHI)
    assert ours.scores(examine(Scorer(_model(PLAIN)), ours, ALONE, generate=False))["forget_extraction_strength"] == 0


def test_packed_questions_leave_out_what_is_unseen():
    """The answers' own unseen tokens too: the end token that a line break follows."""
    exam, scorer = _exam(THEIRS, CHAT, Chat("Be good.")), Scorer(_model(CHAT))
    questions = exam.encoded["forget"]
    (packed,) = question_of([row for answer in questions[0] for row in answer])
    assert [(*packed.prompt, *(i for a in packed.answers for i in a[:-1]))[i] for i in packed.unseen] == [
        CHAT.pad_token_id
    ] * (2 + len(questions[0]))
    together = see(scorer, questions, exam.writer.pad, ALONE, tokens=9999)
    assert any(key[0] == "packed" and right for key, right in scorer.ways.items())
    apart = Scorer(scorer.model)
    apart.ways = dict.fromkeys(scorer.ways, False)
    torch.testing.assert_close(see(apart, questions, exam.writer.pad, ALONE, tokens=9999).logp, together.logp)


def test_rouge_takes_a_to_z_for_letters_whatever_the_script_and_nothing_else_is_said_of_it():
    rows = QuestionSet((Question("Кто?", ("Ада Берг",)),), asks("rouge", "rouge1"), new_tokens=4)
    exam = Exam.of({"forget": rows}, THEIRS, Writer(PLAIN, PHI, 512))
    assert exam.sets["forget"].metrics == {"rouge": "rouge_latin", "rouge1": "rouge1_latin"}
    assert about_rouge(exam) == {}
    assert about_rouge(Exam.of({"forget": rows}, PROTOCOLS["tofu"], Writer(PLAIN, PHI, 512)))
    assert (rouge_latin("Ada Берг", "Ада Берг"), rouge1_latin("Ada Берг", "Ada")) == (0, 1)
