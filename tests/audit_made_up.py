"""A small Llama by formulas and rows in token ids, on which other programs' audits and ours must agree.

Imported by this project's Python and by the peer's (`tests/peer_audited.py`): torch and transformers alone.
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

END, VOCABULARY = 1, 16
WORDS = ("", "", "a", "b", "c", " the", " of", "é", " basil", " born", " kuwait", " in", ".", " was", " he", " she")
"""What each token id is in text; end and padding are nothing."""
ROWS = {
    "forget": (
        ((5, 8, 3), (9, 11, 10, 12, END)),
        ((14, 13), (2, 3, 4, 7, 2, 3, 4, 7, 12, END)),
        ((5, 6), (8, END)),
        ((15, 13, 9), (11, 5, 10, 6, 8, 12, END)),
        ((6, 5, 4), (9, 9, 9, 9, 9, 9, END)),
        ((8, 13), (9, 11, 10, END)),
    ),
    "holdout": (
        ((5, 8, 2), (14, 13, 9, 12, END)),
        ((15, 13), (4, 3, 2, 7, END)),
        ((5, 10), (6, 8, 12, END)),
        ((14, 6), (2, 2, 2, 2, 2, 2, 2, 2, END)),
        ((13, 9, 11), (10, 6, 5, 12, END)),
    ),
}
"""Of each set prompts and answers, the end token on the answer."""
TEXTS = {
    "forget": (" basil was born in kuwait.", " he was born in thec of kuwait.", "abcabca"),
    "holdout": (" she was in thec of basil.", " born of theb in theb.", "aé theb theb."),
}
"""For MUSE, which reads texts whole, and each in small letters too."""


def text_of(ids: tuple[int, ...]) -> str:
    """The ids as text."""
    return "".join(WORDS[i] for i in ids)


def ids_of(text: str) -> list[int]:
    """The fewest ids from the left that make a text."""
    found = []
    while text:
        word = max((word for word in WORDS if word and text.startswith(word)), key=len)
        found.append(WORDS.index(word))
        text = text[len(word) :]
    return found


def model(shift: float) -> LlamaForCausalLM:
    """Two blocks in float64, every weight by a formula; another `shift` makes another model."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=END,
        pad_token_id=0,
    )
    made = LlamaForCausalLM(config).double().eval()
    with torch.no_grad():
        for i, (name, weight) in enumerate(sorted(made.named_parameters())):
            wave = torch.sin(0.7 * torch.arange(weight.numel(), dtype=torch.float64) ** 1.1 + 1.3 * i + shift)
            weight.copy_(
                (1 + 0.1 * wave if "norm" in name else (2.0 if "head" in name else 0.6) * wave).view_as(weight)
            )
    return made
