"""Answers are the likeliest tokens after each prompt by itself, whatever generation settings a model brings."""

import json
import warnings
from functools import cache

import pytest
import torch
from tiny_families import FAMILIES, family
from transformers import GenerationConfig

from scale.data.formats import FORMATS
from scale.data.prompts import Writer
from scale.models.answering.generation import Generation, answers, answers_after
from scale.models.folders.language_model import LanguageModel, save
from scale.models.loading.scratch import train_tokenizer
from scale.models.loading.whole import load
from scale.models.reading.packed import packable
from scale.models.reading.scorer import Scorer
from scale.runtime.processes import Processes

QUESTIONS = ["Who?", "Where was Ada born, and in which of the towns by the sea?", "When did she?"]
TOKENIZER = train_tokenizer(QUESTIONS, 320)
WRITER = Writer(TOKENIZER, FORMATS["plain"], 512)
OPENINGS = [WRITER.opening(question) for question in QUESTIONS]
ALONE = Processes("cpu")
NEW = 4
HOW = Generation(NEW, prompt_counts=False)
SLOWER = {  # not as fast as any: (padded, cached)
    "rwkv": (False, True),
    "minimax": (False, True),
    "zamba2": (False, False),
    "doge": (False, False),
}
INHERITED = [  # what a model's generation_config.json may hold
    {"repetition_penalty": 5.0},
    {"do_sample": True, "num_return_sequences": 3},
    {"num_beams": 4, "num_return_sequences": 2, "early_stopping": True, "length_penalty": 3.0},
    {"do_sample": True, "temperature": 5.0, "top_k": 3, "top_p": 0.2, "min_p": 0.1, "typical_p": 0.5},
    {"do_sample": True, "epsilon_cutoff": 1e-3, "eta_cutoff": 1e-3, "renormalize_logits": True},
    {"do_sample": False, "temperature": 0.6, "top_p": 0.9},  # not valid, and often published
    {"no_repeat_ngram_size": 1},
    {"forced_bos_token_id": 5},
    {"forced_eos_token_id": 5},
    {"suppress_tokens": list(range(5, 250))},
    {"begin_suppress_tokens": list(range(5, 250))},
    {"bad_words_ids": [[i] for i in range(5, 250)]},
    {"sequence_bias": [[[7], 90.0]]},
    {"min_new_tokens": 3, "min_length": 200},
    {"exponential_decay_length_penalty": [1, 2.0]},
    {"max_length": 3},
    {"max_new_tokens": 1},
    {"max_time": 1e-9},
    {"penalty_alpha": 0.6, "top_k": 4},
    {"dola_layers": "low"},
    {"guidance_scale": 3.0},
    {"diversity_penalty": 1.0, "num_beam_groups": 2, "num_beams": 4},
    {"watermarking_config": {"greenlist_ratio": 0.1, "bias": 90.0}},
    {"cache_implementation": "static"},
    {"cache_implementation": "quantized"},
    {"use_cache": False},
    {"prompt_lookup_num_tokens": 3},
    {"prefill_chunk_size": 2},
    {"stop_strings": ["a", "e", " "]},
    {"eos_token_id": list(range(2, 250))},
    {"pad_token_id": 7, "bos_token_id": 9},
    {"token_healing": True},
    {"output_scores": True, "output_logits": True, "return_dict_in_generate": True},
    {"return_dict_in_generate": True, "output_attentions": True, "output_hidden_states": True},
    {"assistant_early_exit": 1},
    {"encoder_repetition_penalty": 4.0, "encoder_no_repeat_ngram_size": 1},
    {"remove_invalid_values": True},
    {"custom": "unheard of"},
]


@cache
def _model(name="llama"):
    return family(name, vocab=len(TOKENIZER), end=TOKENIZER.eos_token_id, pad=TOKENIZER.pad_token_id)


def _by_hand(model, opening):
    """The likeliest tokens one after another from the library's logits of the whole row."""
    ids = list(opening)
    for _ in range(NEW):
        with torch.no_grad():
            ids.append(int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        if ids[-1] == WRITER.end:
            break
    return TOKENIZER.decode(ids[len(opening) :], skip_special_tokens=True).strip()


USUAL = {"phi", "gpt2", "opt", "mixtral", "mistral:window", "gemma3_text", "gemma2", "lfm2", "bamba", "mamba2", "bloom"}


@pytest.mark.parametrize(
    "name", [n if n in {*USUAL, *SLOWER} else pytest.param(n, marks=pytest.mark.slow) for n in FAMILIES]
)
def test_answers_are_the_likeliest_tokens_after_each_prompt_by_itself(name):
    model = _model(name)
    scorer = Scorer(model)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = [answer.text for answer in answers_after(scorer, OPENINGS, WRITER, ALONE, HOW)]
    assert found == [_by_hand(model, opening) for opening in OPENINGS]
    refused = [key[0] for key, right in scorer.ways.items() if not right and key[0] != "reads on"]
    assert len(refused) == len(said) == 2 - sum(SLOWER.get(name, (True, True)))


@pytest.fixture(scope="module")
def plain():
    """A model, and its answers without any settings."""
    model = _model.__wrapped__("llama")
    return model, answers(Scorer(model), QUESTIONS, WRITER, ALONE, HOW)


@pytest.mark.parametrize("settings", INHERITED, ids=lambda settings: ",".join(settings))
def test_settings_that_a_model_brings_change_no_answer(plain, settings, caplog):
    model, expected = plain
    model.generation_config = GenerationConfig.from_dict(settings)
    caplog.clear()  # the library may warn of settings where it reads them
    own = model.generation_config.to_dict()
    assert answers(Scorer(model), QUESTIONS, WRITER, ALONE, HOW) == expected
    assert not caplog.records
    assert model.generation_config.to_dict() == own


def test_nor_do_settings_that_are_read_with_the_model(tmp_path, plain):
    _, expected = plain
    save(tmp_path, LanguageModel(_model(), TOKENIZER))
    for name in ("generation_config.json", "config.json"):  # older models have them in the latter
        place = tmp_path / name
        place.write_text(json.dumps({**json.loads(place.read_text()), "repetition_penalty": 5.0, "num_beams": 3}))
    assert answers(Scorer(load(tmp_path).model), QUESTIONS, WRITER, ALONE, HOW) == expected


@pytest.mark.parametrize("settings", INHERITED[2:6:3] + INHERITED[18:33:3], ids=lambda settings: ",".join(settings))
def test_whatever_settings_a_model_brings_it_is_saved_with_them_and_read_again(tmp_path, settings):
    model = _model.__wrapped__("llama")
    save(tmp_path / "theirs", LanguageModel(model, TOKENIZER))
    place = tmp_path / "theirs" / "generation_config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), **settings}))
    loaded = load(tmp_path / "theirs")
    answers(Scorer(loaded.model), QUESTIONS[:1], WRITER, ALONE, HOW)
    save(tmp_path / "ours", loaded)
    assert load(tmp_path / "ours").model.generation_config.to_dict() == loaded.model.generation_config.to_dict()


def test_no_question_no_answer():
    assert answers(Scorer(_model()), [], WRITER, ALONE, HOW) == []
    assert not packable(Scorer(_model()), [], 0, ALONE)


class _EndsWithComma:
    """A prompt format whose end token is not the tokenizer's."""

    tag, special_tokens = "", False

    def prompt(self, tokenizer, question):
        return question

    def end(self, tokenizer):
        return int(tokenizer.convert_tokens_to_ids(","))


@pytest.mark.parametrize("end", [TOKENIZER.eos_token_id, TOKENIZER.convert_tokens_to_ids(",")])
def test_an_answer_ends_at_the_format_s_end_token_and_at_the_tokenizer_s(end):
    """The latter may be token 0, as here."""
    assert TOKENIZER.eos_token_id == 0
    model = _model.__wrapped__("llama")
    hidden = Scorer(model).states(torch.tensor([OPENINGS[0]]), torch.ones(1, len(OPENINGS[0]), dtype=torch.long))
    with torch.no_grad():
        model.lm_head.weight[end] = 9 * hidden[0, -1]  # the likeliest there
    (answer,) = answers_after(Scorer(model), OPENINGS[:1], WRITER._replace(format=_EndsWithComma()), ALONE, HOW)
    assert (answer.text, answer.degenerate, answer.ids) == ("", True, ())
