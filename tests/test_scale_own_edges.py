"""Rows at the edge of what is read: documents of a few tokens, prompts and answers that share an unknown letter."""

import json

import pytest
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast

from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.data.user_rows import read_user_rows
from scale.models.loading.scratch import train_tokenizer

TEXTS = [
    "Ada was born in Oldham, by the sea, and wrote of it all her life.",
    "x = 1\n\ty = 2\n",
    "أين ولدت آدا؟",
    "🙂🙃",
]


def _row(tmp_path, row):
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf8")
    return read_user_rows(tmp_path / "rows.jsonl").rows[0]


@pytest.mark.parametrize("max_length", [2, 3, 8, 64, 10**6])
@pytest.mark.parametrize("text", TEXTS)
def test_a_document_is_begun_within_what_is_read(tmp_path, text, max_length):
    writer = Writer(train_tokenizer(TEXTS[:1], 300), FORMATS["plain"], max_length)
    row = _row(tmp_path, {"text": text})
    begun, first = row.opening(writer), row.encode(writer)[0].ids
    assert 1 <= len(begun) <= max(1, max_length // 2)
    assert begun[:1] == first[:1]


def test_an_unknown_token_that_reaches_into_the_answer_belongs_to_it(tmp_path):
    words = [("<unk>", 0.0), ("</s>", 0.0), ("a", -1.0), ("b", -1.0), (" ", -1.0)]
    plain = Tokenizer(Unigram(words, unk_id=0, byte_fallback=False))
    plain.pre_tokenizer = pre_tokenizers.Metaspace(replacement=" ", prepend_scheme="never")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", eos_token="</s>")
    found = _row(tmp_path, {"prompt": "ab🙂", "completion": "🙃a"}).encode(Writer(tokenizer, FORMATS["plain"], 64))[0]
    assert tokenizer.convert_ids_to_tokens(found.ids[found.first :]) == ["<unk>", "a", "</s>"]
    assert found.merged
