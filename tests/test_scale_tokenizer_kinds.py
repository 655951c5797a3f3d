"""Tokenizers and what they add, drop, merge and strip: the answer's tokens are found, or it is said why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from records.errors import UserError
from scale.data.formats import FORMATS, Chat, Tags
from scale.data.prompts import Encoded, Writer
from scale.data.row import Row
from scale.data.user_rows import Completion, Document, Messages
from scale.models.loading.scratch import train_tokenizer

TEXTS = ["Question: Who wrote The Lake?\nAnswer: Ada Berg wrote it. [INST] The 1987 [/INST]"] * 3
CHAT = "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}<|stop|>\n{% endfor %}"


def byte_level(*, normalizer=None, around="$A", trims=False, specials=()):
    """Bytes; with a normaliser, with tokens added around a text, with spans that leave out spaces."""
    tokenizer = train_tokenizer(TEXTS, 320)
    tokenizer.add_tokens([AddedToken(x, special=True) for x in ("<s>", "[SEP]", "<|turn|>", "<|stop|>", *specials)])
    tokenizer.bos_token = "<s>"
    backend, ids = tokenizer.backend_tokenizer, tokenizer.convert_tokens_to_ids
    if normalizer is not None:
        backend.normalizer = normalizer
    added = [(x, ids(x)) for x in around.split() if x != "$A"]
    parts = [processors.ByteLevel(trim_offsets=True)] if trims else []
    backend.post_processor = processors.Sequence(
        [*parts, processors.TemplateProcessing(single=around, special_tokens=added)]
    )
    return tokenizer


def metaspace(scheme):
    """Words with their space as one piece, bytes for what is unknown, a start token; as Llama 2 and Mistral have it."""
    tokenizer = Tokenizer(BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if scheme == "legacy" else scheme)
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(TEXTS, BpeTrainer(vocab_size=340, special_tokens=pieces, show_progress=False))
    if scheme == "legacy":  # as Llama 2's is: every stretch between special tokens gets a space
        tokenizer.pre_tokenizer = None
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


KINDS = {
    "bytes": byte_level(),
    "a start token": byte_level(around="<s> $A"),
    "start and end": byte_level(around="<s> $A <|end|>"),
    "another closing token": byte_level(around="<s> $A [SEP]"),
    "spans without spaces": byte_level(around="<s> $A", trims=True),
    "composed letters": byte_level(normalizer=normalizers.NFKC()),
    "stripped": byte_level(normalizer=normalizers.Strip()),
    "Metaspace, first": metaspace("first"),
    "Metaspace, always": metaspace("always"),
    "Metaspace, never": metaspace("never"),
    "SentencePiece as it was": metaspace("legacy"),
}
WORDS = st.lists(st.sampled_from([*"aé漢😀7. \nﬁ", "The", " wrote", "  "]), min_size=1, max_size=7).map("".join)
WORDS = WORDS.filter(str.strip)


@pytest.mark.parametrize("kind", KINDS)
@given(question=WORDS, answer=WORDS, form=st.sampled_from(["plain", "phi-1.5", "llama2-chat"]))
def test_every_token_of_the_answer_is_predicted_and_one_end(kind, question, answer, form):
    tokenizer = KINDS[kind]
    writer = Writer(tokenizer, FORMATS[form], 999)
    coded, opening, end = writer.encode(question, answer), writer.opening(question), tokenizer.eos_token_id
    known = tokenizer(writer.prompt(question) + answer)["input_ids"]
    known = known[:-1] if kind in ("start and end", "another closing token") else known
    assert coded.ids == (*known, end)
    assert coded.ids.count(end) == 1
    starts = coded.ids.count(tokenizer.bos_token_id)
    assert starts == (0 if kind in ("bytes", "composed letters", "stripped") else 1)
    said = tokenizer.decode(coded.ids[coded.first : -1], clean_up_tokenization_spaces=False)
    if not coded.merged and kind not in ("composed letters", "stripped"):
        assert said.lstrip(" ") == answer.lstrip(" ")
        assert coded.ids[: len(opening)] == opening
        assert coded.first - len(opening) in (0, 1)  # a space of its own


def test_two_spaces_before_an_answer_are_asked_for_as_they_are_trained():
    writer = Writer(KINDS["a start token"], Tags("Q", ":  "), 99)
    coded = writer.encode("Who?", "The lake.")
    assert writer.opening("Who?") == coded.ids[: coded.first]
    assert not coded.merged


def test_a_start_token_that_the_text_has_already_is_not_doubled():
    tokenizer = KINDS["a start token"]
    once = Writer(tokenizer, Tags("Q: ", " A: "), 99).encode("Who?", "Ada.")
    written = Writer(tokenizer, Tags("<s>Q: ", " A: "), 99)
    assert written.encode("Who?", "Ada.") == once
    assert written.opening("Who?") == once.ids[: once.first - 1] or written.opening("Who?") == once.ids[: once.first]
    row = Completion("<s>Q: Who? A:", " Ada.")
    (coded,) = row.encode(written)
    assert coded.ids.count(tokenizer.bos_token_id) == row.opening(written).count(tokenizer.bos_token_id) == 1


def test_a_template_s_start_token_is_the_only_one():
    tokenizer = byte_level(around="<s> $A <|end|>")
    tokenizer.chat_template = "{{ bos_token }}" + CHAT
    coded = Writer(tokenizer, Chat(), 99).encode("Who?", "Ada.")
    assert coded.ids[0] == tokenizer.bos_token_id
    assert coded.ids.count(tokenizer.bos_token_id) == 1
    assert coded.ids.count(tokenizer.eos_token_id) == 0  # <|stop|> ends a turn


def test_a_document_has_the_start_token_whatever_the_prompt_format():
    tokenizer = byte_level(around="<s> $A")
    tokenizer.chat_template = CHAT
    for form in (Chat(), FORMATS["plain"]):
        writer, row = Writer(tokenizer, form, 99), Document("Ada Berg wrote The Lake.")
        (coded,) = row.encode(writer)
        assert coded == Encoded((tokenizer.bos_token_id, *coded.ids[1:-1], tokenizer.eos_token_id), 1)
        assert row.opening(writer) == coded.ids[: len(row.opening(writer))]


def test_a_document_without_spaces_is_asked_for_by_its_first_characters():
    row, writer = Document("湖の作者はアダ。" * 40), Writer(byte_level(), FORMATS["plain"], 99)
    assert row.shown[0] == "湖の作者はアダ。湖の作者"
    assert writer.tokenizer.decode(row.opening(writer)) == row.shown[0]


def test_a_question_that_is_empty_or_longer_than_the_model_reads_is_refused():
    writer = Writer(byte_level(), FORMATS["plain"], 99)
    with pytest.raises(UserError, match=r"What is asked has \d\d\d+ tokens, and the model reads 99"):
        writer.opening("Who? " * 60)
    with pytest.raises(UserError, match="The question is empty"):
        writer.opening(" \n")


NO_ZERO = normalizers.Replace("0", "")
GONE = {
    "the answer": (NO_ZERO, Tags("Q: ", " A: "), "Who?", "00"),
    "the question": (NO_ZERO, Tags("", ""), "00", "Ada."),
    "a boundary inside one token": (None, Tags("", ""), " wrot", "e"),
}


@pytest.mark.parametrize("what", GONE)
def test_a_text_without_a_token_of_its_own_is_refused(what):
    normalizer, form, question, answer = GONE[what]
    with pytest.raises(UserError, match=r"one leaves no token: .* Write more into it, or take the row out"):
        Writer(byte_level(normalizer=normalizer), form, 99).encode(question, answer)


def test_a_document_or_a_prompt_without_a_token_is_refused():
    writer = Writer(byte_level(normalizer=NO_ZERO), Tags("", ""), 99)
    for use in (writer.document, writer.opening):
        with pytest.raises(UserError, match="The text '000' has no token"):
            use("000")


def test_a_tokenizer_that_knows_no_spans_is_refused():
    writer = Writer(ByT5Tokenizer(), FORMATS["plain"], 99)
    for use in (lambda: writer.encode("Who?", "Ada."), lambda: writer.opening("Who?"), lambda: writer.document("Ada.")):
        with pytest.raises(UserError, match=r"doesn't tell which letters .* tokenizer\.json"):
            use()


HALF = "Ada \ud83d Berg"
WITH_HALF = [
    Row(HALF, "Ada."),
    Row("Who?", HALF),
    Completion(HALF, "Ada."),
    Completion("Who?", HALF),
    Messages((("user", HALF),), "Ada."),
    Messages((("user", "Who?"),), HALF),
    Document(HALF),
]


@pytest.mark.parametrize("row", WITH_HALF, ids=repr)
def test_half_a_character_is_refused_with_the_text_around_it(row):
    tokenizer = byte_level()
    tokenizer.chat_template = CHAT
    for form in (Chat(), FORMATS["plain"]):
        writer = Writer(tokenizer, form, 99)
        with pytest.raises(UserError, match=r"Ada \\ud83d Berg.*has half a character") as told:
            row.encode(writer)
        str(told.value).encode("utf8")  # it can be printed


def test_a_tokenizer_without_an_end_is_told():
    tokenizer = byte_level()
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        Writer(tokenizer, FORMATS["plain"], 99).encode("Who?", "Ada.")


SQUARE = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ bos_token + '[INST] ' + m.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize(
    "kind", ["Metaspace, first", "Metaspace, always", "Metaspace, never", "SentencePiece as it was"]
)
@given(question=WORDS, answer=WORDS)
def test_llama_2_s_conversations_are_what_the_library_writes(kind, question, answer):
    tokenizer = KINDS[kind]
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    known = tokenizer.apply_chat_template(said, chat_template=SQUARE, return_dict=False)
    row = Messages((("user", question),), answer)
    tokenizer.chat_template = SQUARE
    (coded,) = row.encode(Writer(tokenizer, FORMATS["plain"], 99))
    assert list(coded.ids) == known
    assert tokenizer.decode(coded.ids[coded.first : -1], clean_up_tokenization_spaces=False).strip() == answer.strip()
