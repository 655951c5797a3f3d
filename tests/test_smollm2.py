"""SmolLM2-135M itself: run by `make test-llm`, which gets the weights; without them these tests are skipped."""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from records.errors import UserError
from scale.data.formats import format_of
from scale.data.prompts import Writer
from scale.data.tofu import read_rows
from scale.models.answering.generation import Generation, answers
from scale.models.folders.language_model import max_length
from scale.models.loading.names import KNOWN, PROVENANCE, located
from scale.models.loading.whole import load
from scale.models.reading.scorable import check_head
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import score_all
from scale.models.reading.seen import see
from scale.runtime.processes import Processes

NAME = "smollm2-135m"
ALONE = Processes("cpu")
pytestmark = pytest.mark.llm


@pytest.fixture(scope="module")
def folder():
    try:
        return Path(located(NAME))
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def language_model(folder):
    return load(NAME)


@pytest.fixture(scope="module")
def writer(language_model):
    return Writer(language_model.tokenizer, format_of("chat"), max_length(language_model.model))


def test_it_says_where_it_came_from_and_loads_with_the_library_alone(folder):
    found = json.loads((folder / PROVENANCE).read_text())
    assert found["source"] in ("hub", "package")
    assert found["licence"] == "Apache-2.0"
    if found["source"] == "package":
        assert found["sha256"] == KNOWN[NAME].sha256
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert not getattr(model.config, "quantization_config", None)
    assert 134e6 < model.num_parameters() < 136e6


def test_it_knows_the_capital_of_france(language_model, writer):
    how = Generation(max_length=24, prompt_counts=False)
    (said,) = answers(Scorer(language_model.model), ["What is the capital of France?"], writer, ALONE, how)
    assert "Paris" in said.text
    assert not said.degenerate


def test_on_real_rows_all_of_the_answer_and_one_end_token_are_predicted(tofu, language_model, writer):
    tokenizer = language_model.tokenizer
    end = writer.end
    assert tokenizer.decode([end]) == "<|im_end|>"
    for row in read_rows(tofu / "full.json", perturbed=False)[::40]:
        coded = writer.encode(row.question, row.answer)
        targets = coded.ids[coded.first :]
        assert tokenizer.decode(targets[:-1]).strip() == row.answer.strip()
        assert targets[-1] == end
        assert targets.count(end) == 1
        assert not coded.merged
        assert tokenizer.decode(coded.ids[: coded.first]).endswith("<|im_start|>assistant\n")
        assert coded.ids[: coded.first] == writer.opening(row.question)


def test_packed_answers_score_as_separate_rows(tofu, language_model, writer):
    check_head(language_model.model)
    rows = read_rows(tofu / "forget01_perturbed.json", perturbed=True)[:2]
    encoded = [
        [writer.encode(row.question, text) for text in (row.answer, row.paraphrased_answer, *row.perturbed_answer)]
        for row in rows
    ]
    scorer = Scorer(language_model.model)
    packed = see(scorer, [tuple((row,) for row in some) for some in encoded], writer.pad, ALONE, tokens=2048)
    apart = score_all(scorer, [one for some in encoded for one in some], writer.pad, ALONE)
    assert packed.tokens.tolist() == apart.tokens.tolist()
    assert float(((packed.logp - apart.logp) / apart.tokens).abs().max()) < 5e-6
