"""Random sequences: deterministic, well-posed, and split as promised."""

import pytest
import torch

from synthetic.transformer.sequences import Sizes, draw
from theory.logprobs import IGNORE

SIZES = Sizes(forget=5, retain=7, prompt=2, answer=3, vocab=8)


def test_a_seed_decides_everything_and_no_global_state_moves():
    before = torch.get_rng_state()
    first, second, other = draw(SIZES, 0), draw(SIZES, 0), draw(SIZES, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.everything.tokens, second.everything.tokens)
    assert not torch.equal(first.everything.tokens, other.everything.tokens)


def test_labels_are_the_answer_and_nothing_of_the_prompt():
    tokens, labels = draw(SIZES, 0).everything
    assert bool((labels[:, : SIZES.prompt] == IGNORE).all())
    assert torch.equal(labels[:, SIZES.prompt :], tokens[:, SIZES.prompt :])
    assert int(tokens.min()) >= 0
    assert int(tokens.max()) < SIZES.vocab


def test_forget_and_retain_make_up_everything():
    split = draw(SIZES, 0)
    assert torch.equal(torch.cat([split.forget.tokens, split.retain.tokens]), split.everything.tokens)
    assert split.forget.tokens.shape == (SIZES.forget, SIZES.length)
    assert torch.equal(split.everything.pick(1, 3).labels, split.everything.labels[1:3])


@pytest.mark.parametrize("seed", range(20))
def test_no_two_prompts_are_equal(seed):
    prompts = draw(SIZES, seed).everything.tokens[:, : SIZES.prompt]
    assert torch.unique(prompts, dim=0).shape[0] == SIZES.forget + SIZES.retain


def test_too_few_possible_prompts_are_refused():
    with pytest.raises(ValueError, match=r"12 distinct prompts of 1 token.*larger vocabulary than 8"):
        draw(Sizes(forget=5, retain=7, prompt=1, answer=3, vocab=8), 0)
