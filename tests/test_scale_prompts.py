"""From text to tokens: where the answer starts, one end token, masks that follow from lengths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import processors

from records.errors import UserError
from scale.data.fictional import authors
from scale.data.formats import FORMATS, Chat, Tags
from scale.data.prompts import Encoded, Writer, collate
from scale.data.tofu import Row, read_rows
from scale.models.loading.scratch import train_tokenizer
from theory.logprobs import IGNORE, answer_rows

ROWS = authors(2, seed=0)
PLAIN = FORMATS["plain"]
QWEN_LIKE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_LIKE = (
    "<|begin|>{% for m in messages %}<|head|>{{ m.role }}<|tail|>\n\n"
    "{% if m.role == 'system' %}Today: {{ date_string }}\n\n{% endif %}{{ m.content }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|head|>assistant<|tail|>\n\n{% endif %}"
)


def prompt(question):
    return PLAIN.prompt(None, question)


def encode(tokenizer, question, answer):
    return Writer(tokenizer, PLAIN, 10_000).encode(question, answer)


def _tokenizer(rows=ROWS, vocab=600):
    return train_tokenizer([prompt(row.question) + row.answer for row in rows], vocab)


TOKENIZER = _tokenizer()


def _check(tokenizer, row):
    """The facts of one row; returns the number of targets."""
    coded = encode(tokenizer, row.question, row.answer)
    given, targets = coded.ids[: coded.first], coded.ids[coded.first :]
    assert targets[-1] == tokenizer.eos_token_id
    assert list(coded.ids).count(tokenizer.eos_token_id) == 1
    assert tokenizer.decode(targets[:-1]).lstrip(" ") == row.answer  # all of the answer is predicted
    # and nothing of the prompt; its last space is part of the first target, unless it is a token of its own
    lone = tokenizer.decode(given[-1:]) == " "
    assert tokenizer.decode(given) == prompt(row.question)[: None if lone else -1]
    assert coded.targets == len(targets)
    return len(targets)


def test_the_whole_answer_and_one_end_token_are_predicted_and_nothing_of_the_prompt():
    for row in ROWS:
        _check(TOKENIZER, row)


def test_the_token_that_starts_on_the_last_space_of_the_prompt_is_the_first_target():
    """Counting the prompt's tokens would lose it: "Answer: " ends in a lone space, "Answer: The" does not."""
    row = next(row for row in ROWS if row.answer.startswith("The "))
    coded = encode(TOKENIZER, row.question, row.answer)
    assert TOKENIZER.decode([coded.ids[coded.first]]) == " The"
    assert len(TOKENIZER(prompt(row.question))["input_ids"]) == coded.first + 1


def test_a_space_that_is_a_token_of_its_own_belongs_to_the_prompt():
    tokenizer = train_tokenizer(["Question: a\nAnswer: b"], 258)  # bytes only
    coded = encode(tokenizer, "a", "7 b")
    assert coded.first == len(prompt("a"))
    assert tokenizer.decode(coded.ids[coded.first :]) == "7 b<|end|>"


TEXTS = st.text(min_size=1, max_size=30).filter(str.strip).filter(lambda text: "<|" not in text)  # others are refused


@given(question=TEXTS, answer=TEXTS)
def test_any_text_can_be_written_and_read_back(question, answer):
    coded = encode(TOKENIZER, question, answer)
    assert 0 < coded.first < len(coded.ids)
    assert coded.ids[-1] == TOKENIZER.eos_token_id
    assert TOKENIZER.decode(coded.ids[:-1]) == prompt(question) + answer


def test_a_tokenizer_that_adds_its_own_start_and_end_gets_no_second_end():
    tokenizer = _tokenizer()
    end = tokenizer.eos_token_id
    plain = encode(TOKENIZER, "Who?", "Nobody.")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|pad|> $A <|end|>", special_tokens=[("<|pad|>", tokenizer.pad_token_id), ("<|end|>", end)]
    )
    coded = encode(tokenizer, "Who?", "Nobody.")
    assert coded._replace(preamble=0) == Encoded((tokenizer.pad_token_id, *plain.ids), plain.first + 1)


def test_what_stands_before_every_question_is_counted():
    tags = Tags(before="What follows is asked by someone who wants to know:\n", after="\n")
    writer = Writer(TOKENIZER, tags, 10_000)
    rows = [writer.encode(row.question, row.answer) for row in ROWS]
    n = rows[0].preamble
    assert n > 8
    assert {(row.preamble, row.ids[:n]) for row in rows} == {(n, rows[0].ids[:n])}
    assert tags.before.startswith(TOKENIZER.decode(rows[0].ids[:n]))
    assert len(tags.before) - len(TOKENIZER.decode(rows[0].ids[:n])) <= 1  # a token of the question may begin there
    assert all(row.preamble < row.first for row in rows)


def test_an_empty_answer_and_one_with_the_end_token_are_refused():
    with pytest.raises(
        UserError,
        match=r"contains '<\|end\|>', which this tokenizer reads as a token of its own.*Take it out of the data",
    ):
        encode(TOKENIZER, "Who?", "No<|end|>body.")
    with pytest.raises(UserError, match=r"The answer of .*Who.* is empty"):
        encode(TOKENIZER, "Who?", " ")
    with pytest.raises(UserError, match=r"The question of 'Nobody' is empty"):
        encode(TOKENIZER, "", "Nobody")


def test_a_text_longer_than_the_model_reads_is_refused_with_both_lengths():
    writer = Writer(TOKENIZER, PLAIN, 12)
    with pytest.raises(UserError, match=r"have \d\d tokens, and at most 12 are read: .*Shorten the row"):
        writer.encode(ROWS[0].question, ROWS[0].answer)


# --- formats ----------------------------------------------------------------------------------------------------


def _chatty(template, *specials):
    tokenizer = _tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(specials)})
    tokenizer.chat_template = template
    return tokenizer


CHATS = {
    "qwen2.5": _chatty(QWEN_LIKE, "<|im_start|>", "<|im_end|>"),
    "llama3-instruct": _chatty(LLAMA_LIKE, "<|begin|>", "<|head|>", "<|tail|>", "<|eot|>"),
    "chat": _chatty(QWEN_LIKE, "<|im_start|>", "<|im_end|>"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_predicts_the_answer_and_one_end_token(name):
    form, tokenizer = FORMATS[name], CHATS.get(name, TOKENIZER)
    writer = Writer(tokenizer, form, 10_000)
    for row in ROWS:
        coded = writer.encode(row.question, row.answer)
        targets = coded.ids[coded.first :]
        assert targets[-1] == writer.end
        assert list(targets).count(writer.end) == 1
        assert tokenizer.decode(targets[:-1]).lstrip(" ") == row.answer
        assert tokenizer.decode(coded.ids[: coded.first]).rstrip(" ") == writer.prompt(row.question).rstrip(" ")
        # what a model is asked to continue is what it was trained to continue
        assert coded.ids[: len(writer.opening(row.question))] == writer.opening(row.question)


def test_the_end_of_an_answer_is_the_template_s_not_the_tokenizer_s():
    for name, end in (("qwen2.5", "<|im_end|>"), ("llama3-instruct", "<|eot|>")):
        tokenizer = CHATS[name]
        assert FORMATS[name].end(tokenizer) == tokenizer.convert_tokens_to_ids(end) != tokenizer.eos_token_id


def test_the_date_in_a_template_is_always_the_same():
    assert "Today: 10 Apr 2025" in FORMATS["llama3-instruct"].prompt(CHATS["llama3-instruct"], "Who?")


def test_a_format_that_the_tokenizer_can_not_serve_is_told():
    with pytest.raises(UserError, match="has no chat template"):
        Writer(TOKENIZER, Chat(), 99).encode("Who?", "Nobody.")


def test_the_tag_counts_as_answer_where_a_protocol_says_so():
    row = ROWS[0]
    ours, theirs = (
        Writer(TOKENIZER, FORMATS["phi-1.5"], 999, tag_counts=x).encode(row.question, row.answer) for x in (False, True)
    )
    assert ours.ids == theirs.ids
    assert TOKENIZER.decode(theirs.ids[theirs.first : ours.first]).strip() == "Answer:"
    plain = Writer(TOKENIZER, PLAIN, 999, tag_counts=True).encode(row.question, row.answer)
    assert plain == Writer(TOKENIZER, PLAIN, 999).encode(row.question, row.answer)  # it has no tag


def test_a_token_that_reaches_over_the_boundary_is_reported():
    tokenizer = train_tokenizer(["why xb"] * 50, 280)
    assert Writer(tokenizer, Tags("", " x"), 99).encode("why", "b").merged  # " xb" is one token
    assert not any(encode(TOKENIZER, row.question, row.answer).merged for row in ROWS)


def test_a_document_is_cut_into_pieces_that_are_all_predicted():
    writer = Writer(TOKENIZER, PLAIN, 16)
    text = " ".join(row.answer for row in ROWS)
    pieces = writer.document(text)
    assert all(len(piece.ids) <= 16 and piece.first == 1 for piece in pieces)
    assert TOKENIZER.decode([i for piece in pieces for i in piece.ids]).removesuffix("<|end|>") == text
    with pytest.raises(UserError, match="A document is empty"):
        writer.document(" ")


def test_labels_and_mask_follow_from_lengths_even_where_padding_is_the_end_token():
    rows = [encode(TOKENIZER, row.question, row.answer) for row in ROWS[:8]]
    end = TOKENIZER.eos_token_id
    batch = collate(rows, pad=end)
    assert batch.ids.shape == (8, max(len(row.ids) for row in rows))
    for ids, mask, labels, row in zip(*batch, rows, strict=True):
        length = len(row.ids)
        assert mask.tolist() == [1] * length + [0] * (len(ids) - length)
        assert labels[: row.first].eq(IGNORE).all()
        assert labels[length:].eq(IGNORE).all()
        assert labels[row.first : length].tolist() == list(row.ids[row.first :])
        assert int((labels == end).sum()) == 1
    assert answer_rows(batch.labels, len(TOKENIZER)).targets.numel() == sum(row.targets for row in rows)


def test_the_same_texts_give_the_same_tokenizer():
    assert _tokenizer().get_vocab() == TOKENIZER.get_vocab()
    assert _tokenizer(vocab=300).get_vocab() != TOKENIZER.get_vocab()


def test_facts_hold_on_all_real_rows(tofu):
    rows = read_rows(tofu / "full.json", perturbed=False)
    tokenizer = _tokenizer(rows[:400], 2048)
    assert sum(_check(tokenizer, row) for row in rows) > 25 * len(rows)


def test_facts_hold_on_paraphrases_of_real_rows(tofu):
    rows = read_rows(tofu / "retain_perturbed.json", perturbed=True)
    tokenizer = _tokenizer(rows, 2048)
    for row in rows[::10]:
        for answer in (row.paraphrased_answer, *row.perturbed_answer):
            _check(tokenizer, Row(row.question, answer))
