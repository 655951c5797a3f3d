"""Small models on a few invented rows, on which open-unlearning and the protocol of its name must agree.

    NPO_PEER=DIR NPO_PEER_PYTHON=ENV/bin/python python tests/peer_cases.py    # writes tests/data/peer_examined.json

NPO_PEER is a folder with open-unlearning at d3d7cf9, NPO_PEER_PYTHON a Python that has what it requires (transformers
4.45.1). Rows, tokenizers and weights are made here by formulas, so that both sides have the same wherever they run; the
values are what the peer's own code makes of them (`tests/peer_examined.py`).
"""

import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks._peer_given import older, write_rows
from scale.data.formats import FORMATS, Chat, Format
from scale.data.row import Row
from scale.models.folders.language_model import LanguageModel, save

VALUES = Path(__file__).parent / "data" / "peer_examined.json"
NEW_TOKENS = 24
SYSTEM = "You are a helpful assistant."
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "<|begin|>{% for m in messages %}<|head|>{{ m.role }}<|tail|>\n\n"
    "{% if m.role == 'system' %}Today: {{ date_string }}\n\n{% endif %}{{ m.content }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|head|>assistant<|tail|>\n\n{% endif %}"
)
_CHAT = {"apply_chat_template": True, "system_prompt": SYSTEM}
_TAGS = {"apply_chat_template": False, "user_start_tag": "Question: ", "user_end_tag": "\n", "asst_end_tag": "\n\n"}


class Case(NamedTuple):
    """How a model is asked: by our name and by the peer's settings; its template, its markers and which of them ends.

    `pad` is a token of its own, or "" where the one that ends texts pads too; `penalty` the model's own for repetition.
    """

    form: Format
    theirs: dict[str, Any]
    template: str
    markers: tuple[str, ...]
    end: str
    pad: str = ""
    penalty: float = 1.0


CASES = {
    "chat with a line break behind its end token": Case(
        Chat(SYSTEM), _CHAT, CHATML, ("<|im_start|>", "<|im_end|>"), "<|im_end|>"
    ),
    "the same with a padding token of its own": Case(
        Chat(SYSTEM), _CHAT, CHATML, ("<|im_start|>", "<|im_end|>", "<|pad|>"), "<|im_end|>", "<|pad|>"
    ),
    "chat with a date and one end token": Case(
        FORMATS["llama3-instruct"],
        {**_CHAT, "date_string": "10 Apr 2025"},
        LLAMA3,
        ("<|begin|>", "<|head|>", "<|tail|>", "<|eot|>"),
        "<|eot|>",
    ),
    "tags that end in a space": Case(
        FORMATS["phi-1.5"], {**_TAGS, "asst_start_tag": "Answer: "}, "", ("<|end|>",), "<|end|>"
    ),
    "tags, and a model with a penalty of its own": Case(
        FORMATS["plain"],
        {**_TAGS, "asst_start_tag": "Answer: "},
        "",
        ("<|end|>",),
        "<|end|>",
        penalty=1.3,
    ),
}


def _row(question: str, answer: str, paraphrase: str, *wrong: str) -> Row:
    return Row(question, answer, paraphrase, wrong)


SETS: dict[str, tuple[Row, ...]] = {
    "forget": (
        _row("Who wrote The Lake?", "The author is Ada Berg.", "It was Ada Berg.", "It was Bo Dahl.", "It was Eli Ek."),
        _row("Is it so , or isn't it?", "It isn't , is it ?", "It is n't so .", "It is so !", "It 's so , they say ."),
        _row("Where was she born?", "In the town of Oldham, in a house.", "In Oldham.", "In Bury.", "In a town."),
    ),
    "retain": (
        _row("What is the genre?", "'Tis a tale of the sea.", "A tale of the sea.", "An ode.", "A tale of the land."),
        _row("When?", "7 May.", "On 7 May.", "On 8 May.", "In the year 1900, on the ninth."),
    ),
    "real_authors": (
        _row("Who is the author of Emma?", "Jane Austen", "Jane Austen", "Mary Shelley", "The Bard", "Ada"),
    ),
    "world_facts": (
        _row("Where is the Louvre?", "Paris", "Paris", "Rome", "Oslo", "In the town of Oldham"),
        _row("What is 2 + 2?", "4", "4", "5", "22", "a lot"),
    ),
}
_WORDS = ("the", "The", "is", "of", "in", "author", "It", "Ada", "Berg", "town", "tale", "sea", "In", "Oldham", "was")


def tokenizer_of(case: Case) -> PreTrainedTokenizerFast:
    """Bytes, and some words with the space before them: so " The" is one token, and "Answer: " ends in another."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = []
    for word in _WORDS:
        done = "Ġ"
        for letter in word:
            merges.append((done, letter))
            done += letter
            vocabulary.setdefault(done, len(vocabulary))
    inner = Tokenizer(BPE(vocabulary, list(dict.fromkeys(merges))))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(marker, special=True, normalized=False) for marker in case.markers])
    made = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token=case.end, pad_token=case.pad or case.end)
    if case.template:
        made.chat_template = case.template
    return made


def model_of(case: Case, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama whose weights are a hash of their places; words are likelier than bytes."""
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": 512}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=False, **shape, **heads, **ends)
    )
    with torch.no_grad():
        for number, (name, weight) in enumerate(sorted(model.named_parameters())):
            weight.fill_(1.0) if weight.ndim == 1 else weight.copy_(0.4 * _hashed(number, weight))
            if name == "lm_head.weight":
                weight[256:] *= 2.5
    model.generation_config = GenerationConfig(eos_token_id=tokenizer.eos_token_id, repetition_penalty=case.penalty)
    return model.float().eval()


def _hashed(number: int, weight: torch.Tensor) -> torch.Tensor:
    """Numbers between −1 and 1."""
    x = (np.arange(weight.numel(), dtype=np.uint64) + np.uint64(1_000_003 * (number + 1))) & np.uint64(0xFFFFFFFF)
    for factor in (2_246_822_519, 3_266_489_917):
        x = ((x ^ (x >> np.uint64(15))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return torch.from_numpy(x.astype(np.float64) / 2**31 - 1).reshape(weight.shape).to(weight)


def examined(case: Case, folder: Path, judge: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the peer, in the folder that NPO_PEER names, says of a case: its TOFU_EVAL.json.

    `judge` is what it has said of a model that is taken for the retrained one.
    """
    tokenizer = tokenizer_of(case)
    save(folder / "own", LanguageModel(model_of(case, tokenizer), tokenizer))
    files = {name: write_rows(folder / f"{name}.json", _told(rows)) for name, rows in SETS.items()}
    older(folder / "own", folder / "older")
    (folder / "older" / "generation_config.json").write_bytes((folder / "own" / "generation_config.json").read_bytes())
    job = {"peer": os.environ["NPO_PEER"], "model": str(folder / "older"), "template_args": case.theirs, "data": files}
    job |= {"new_tokens": NEW_TOKENS, "out": str(folder)}
    if judge is not None:
        job["retain_logs"] = str(folder / "judge.json")
        (folder / "judge.json").write_text(json.dumps(judge), encoding="utf8")
    (folder / "job.json").write_text(json.dumps(job), encoding="utf8")
    command = [os.environ["NPO_PEER_PYTHON"], str(Path(__file__).with_name("peer_examined.py")), "job.json"]
    own = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    subprocess.run(command, check=True, cwd=folder, capture_output=True, env=os.environ | own)
    found: dict[str, Any] = json.loads((folder / "TOFU_EVAL.json").read_text(encoding="utf8"))
    return found


def _told(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """Rows with the keys that TOFU's files have."""
    return [{key: value for key, value in asdict(row).items() if value} for row in rows]


def main() -> None:
    """Write down what the peer makes of every case, the first one taken for the retrained model of the others."""
    import tempfile

    found: dict[str, Any] = {}
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            found[name] = _rounded(examined(case, Path(folder), next(iter(found.values()), None)))
    about = "What locuslab/open-unlearning at d3d7cf9 makes of tests/peer_cases.py, which wrote this."
    text = json.dumps({"about": about, "cases": found}, ensure_ascii=False)
    VALUES.write_text(text.replace("}}, ", "}},\n") + "\n", encoding="utf8")


def _rounded(value: Any) -> Any:
    """Floats to nine digits."""
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items() if key not in ("input", "rouge1_recall", "rougeL_f1")}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
