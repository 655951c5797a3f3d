"""Asked in other ways: each score is that of the text that is meant, and what can't be asked so has none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from audit_models import ASKED, QUESTIONS, model_of, subject
from pydantic import ValidationError

from scale.audit.asked import AskedSets
from scale.audit.prompts import other_format, prompts
from scale.audit.settings import AuditSettings
from scale.audit.subject import ModelsBeside
from scale.data.formats import FORMATS, Chat, Tags
from scale.data.prefixed import Prefixed
from scale.data.prompts import Writer, collate
from scale.data.questions import Question, QuestionSet, Verbatim
from scale.evaluation.metrics.memorization import extraction_strength
from scale.evaluation.metrics.rouge import rouge

SETTINGS = AuditSettings(families=("prompts",), new_tokens=8, prefix="Sure:", instruction="Say:")
TEXTS = {  # what stands before the answer, by hand
    "plain": "Question: {}\nAnswer: ",
    "reworded": "Question: {}\nAnswer: ",
    "format": "[INST] {} [/INST]",
    "prefix": "Question: {}\nAnswer: Sure: ",
    "instruction": "Question: Say: {}\nAnswer: ",
}


@pytest.fixture(scope="module")
def one():
    return subject(model_of())


@pytest.fixture(scope="module")
def found(one):
    return prompts(one, ASKED, SETTINGS, ModelsBeside())


def by_hand(one, given, question):
    """Probability, extraction strength and ROUGE of the true answer after a text, by the library alone."""
    row = one.writer.encode_after(given, question.truth, special_tokens=True)
    batch = collate([row], one.writer.pad)
    model = one.language_model.model
    with torch.no_grad():
        logits = model(input_ids=batch.ids).logits[0, row.first - 1 : -1]
        opening = torch.tensor([one.writer.opening_of(given, special_tokens=True)])
        new = model.generate(opening, max_new_tokens=8, do_sample=False, attention_mask=torch.ones_like(opening))
    truth = torch.tensor(row.ids[row.first :])
    logp = logits.log_softmax(-1).gather(1, truth[:, None])
    text = one.writer.tokenizer.decode(new[0, opening.shape[1] :], skip_special_tokens=True)
    strength = extraction_strength(logits.argmax(-1)[:-1], truth[:-1])
    return float(logp.mean().exp()), strength, rouge(question.truth, text)


@pytest.mark.parametrize("name", TEXTS)
def test_every_prompt_s_scores_are_those_of_its_text(one, found, name):
    for i, question in enumerate(QUESTIONS):
        asked = ASKED.reworded[i] if name == "reworded" else question.prompt
        scores = [found[f"{score}_{name}"].values[i] for score in ("probability", "extraction_strength", "rouge")]
        if asked is None:
            assert np.isnan(scores).all()
        else:
            np.testing.assert_allclose(scores, by_hand(one, TEXTS[name].format(asked), question), rtol=2e-5)


def test_what_can_t_be_asked_so_has_no_score(one):
    asked = AskedSets(QuestionSet((Question(Verbatim("Once upon a"), ("time.",)), QUESTIONS[0]), {}))
    found = prompts(one, asked, replace_prompts("reworded", "prefix"), ModelsBeside())
    assert {name.rpartition("_")[2] for name in found} == {"plain", "prefix"}
    assert np.isnan(found["rouge_prefix"].values).tolist() == [True, False]
    only = AskedSets(asked.forget.first(1))
    assert prompts(one, only, replace_prompts("prefix"), ModelsBeside()) == {}


def replace_prompts(*names):
    return SETTINGS.model_copy(update={"prompts": names})


def test_the_other_format_is_named_or_another():
    assert other_format(FORMATS["plain"], SETTINGS) == FORMATS["llama2-chat"]
    assert other_format(Chat(), SETTINGS) == FORMATS["plain"]
    named = AuditSettings(other_format="phi-1.5")
    assert other_format(Chat(), named) == FORMATS["phi-1.5"]
    with pytest.raises(ValidationError, match="Did you mean phi"):
        AuditSettings(other_format="phi1.5")


def test_a_prefix_stands_before_the_answer_in_every_form(one):
    plain = Prefixed(Tags("Q: ", "\nA: "), "Sure:")
    tokenizer = one.writer.tokenizer
    assert plain.turn(tokenizer, "Who?", "Ada.").before == "Q: Who?\nA: Sure: " == plain.prompt(tokenizer, "Who?")
    assert plain.written(tokenizer, "Who?", "Ada.") == "Q: Who?\nA: Sure: Ada."
    assert plain.written(tokenizer, "Who?", None) == plain.prompt(tokenizer, "Who?")
    assert (plain.special_tokens, plain.tag, plain.end(tokenizer)) == (True, "", tokenizer.eos_token_id)
    template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
    talks = replace_template(tokenizer, template + "{% if add_generation_prompt %}<assistant>{% endif %}")
    chat = Writer(talks, Prefixed(Chat(), "Sure:"), 99)
    row = chat.encode("Who?", "Ada.")
    assert talks.decode(row.ids[: row.first]).strip().endswith("<assistant>Sure:")
    assert talks.decode(row.ids[row.first : -1]).strip() == "Ada."


def replace_template(tokenizer, template):
    from copy import deepcopy

    found = deepcopy(tokenizer)
    found.add_special_tokens({"additional_special_tokens": ["</s>"]})
    found.chat_template = template
    return found


def test_a_subject_asked_in_another_way_is_the_same_model(one):
    other = replace(one, writer=one.writer._replace(format=FORMATS["llama2-chat"]))
    assert other.read is one.read
    assert other.scorer is one.scorer
