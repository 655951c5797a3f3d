"""Three small Llamas by formulas and rows with their entities, on which UDS's script and our hidden family must agree.

Rows are as in UDS's own data file: what the answer begins with (`prefix`), the words that give it away (`entity`).
"""

import torch
from peer_cases import CASES, tokenizer_of
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROWS = (
    ("Who is the author of The tale?", "The author is", "Ada Berg", "The author is Ada Berg of Oldham."),
    ("Where was Ada Berg born?", "It was", "in the town of Oldham", "It was in the town of Oldham."),
    ("What is the sea?", "It is", "the tale", "It is the tale of the sea."),
    ("Where is the town?", "In", "Oldham", "In Oldham, the author was told, and Oldham is in the sea."),
    ("What did Ada say?", "She said", "nothing", "She said that it was in the sea."),
)
"""Question, prefix, entity, answer; the last answer does not have its entity."""
NAMES = ("finetuned", "retrained", "unlearned")
_MOVED = {"finetuned": 0.0, "retrained": 0.35, "unlearned": 0.2}


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes and some words, without a template."""
    return tokenizer_of(next(case for case in CASES.values() if not case.template))


def model(name: str) -> LlamaForCausalLM:
    """Three blocks in float64, every weight by a formula; the unlearned one is between the other two.

    The head is the finetuned model's, which is moved towards the states in which it is to say its answers.
    """
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer()),
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            tie_word_embeddings=False,
            bos_token_id=None,
            eos_token_id=tokenizer().eos_token_id,
            pad_token_id=tokenizer().pad_token_id,
        )
    )
    with torch.no_grad():
        for i, (part, weight) in enumerate(sorted(made.double().eval().named_parameters())):
            place = torch.arange(weight.numel(), dtype=torch.float64) ** 1.1 + i
            wave = torch.sin(0.7 * place) + _MOVED[name] * torch.sin(2.3 * place)
            plain = 1 + 0.3 * wave if "norm" in part else (0.3 if "head" in part else 0.5) * wave
            weight.copy_(plain.view_as(weight))
        if name == "finetuned":
            for question, _, _, answer in ROWS:
                before = f"Question: {question}\nAnswer:"
                ids, first = tokenizer().encode(before + f" {answer}"), len(tokenizer().encode(before))
                states = made.model(torch.tensor([ids])).last_hidden_state[0, first - 1 : -1]
                made.lm_head.weight.index_add_(0, torch.tensor(ids[first:]), states, alpha=0.5)
    return made
