"""Hidden states after a block, of any architecture: those that the library itself tells of; kept by block."""

import pytest
import torch
from tiny_families import FAMILIES, family

from records.errors import UserError
from scale.data.prompts import Encoded
from scale.models.reading.blocks import block_after, blocks_of
from scale.models.reading.scorer import Scorer
from scale.models.reference.cache import ReferenceCache, ReferenceModel
from scale.recipes.base_model import check_blocks
from scale.recipes.method import method_of
from scale.recipes.recipe import MethodSettings, ModelSettings, UnlearnSettings
from scale.runtime.processes import Processes
from scale.training.batch_loss import BatchLoss
from scale.training.batches import TrainingRows, batches
from theory.objective import compose

CHOSEN = ("llama", "gpt2", "gemma2", "phi", "opt", "bloom", "mpt", "gpt_neox", "falcon", "qwen3_moe", "mamba", "rwkv")


def tiny(name):
    return family(name, vocab=40, end=0, pad=1)


LISTED_AFTER = ("mamba", "rwkv")
"""Families whose library code lists the states after each block, not those before."""
ROWS = [Encoded((5, 6, 7, 8, 9, 0), 3), Encoded((20, 30, 0), 1)]


@pytest.mark.parametrize("name", CHOSEN)
def test_the_states_after_a_block_are_the_library_s(name):
    model = tiny(name)
    scorer, ids = Scorer(model), torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        found = scorer.read(ids, torch.ones_like(ids), {1})
        expected = model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[
            name not in LISTED_AFTER
        ]
    torch.testing.assert_close(found.after[1], expected, rtol=1e-5, atol=1e-5)
    assert scorer.blocks == 2
    assert found.after[1].shape[-1] == scorer.width


def test_every_family_s_blocks_are_found():
    for name in FAMILIES:
        with torch.device("meta"):
            scorer = Scorer(tiny(name))
        assert len(blocks_of(scorer.body, scorer.blocks)) == scorer.blocks, name


def test_rows_read_one_by_one_have_their_states_in_the_same_places():
    scorer = Scorer(tiny("llama"))
    ids, mask = torch.tensor([[5, 6, 7], [8, 9, 1]]), torch.tensor([[1, 1, 1], [1, 1, 0]])
    with torch.no_grad():
        together = scorer.read(ids, mask, {1, 2})
        scorer.one_by_one = True
        apart = scorer.read(ids, mask, {1, 2})
    for one, other in ((together.final, apart.final), (together.after[1], apart.after[1])):
        torch.testing.assert_close(one[mask == 1], other[mask == 1], rtol=1e-5, atol=1e-5)


def test_a_layer_is_a_number_of_blocks_or_a_share():
    assert [block_after(layer, 30) for layer in (1, 30, 0.1, 0.25, 0.999)] == [1, 30, 3, 8, 30]
    for layer in (31, 0, -1):
        with pytest.raises(UserError, match="the model has 30 blocks"):
            block_after(layer, 30)


def test_what_is_kept_of_a_reference_depends_on_the_block(tmp_path):
    reference = ReferenceModel(Scorer(tiny("llama")), "w", 1, Processes("cpu"))
    cache = ReferenceCache(tmp_path)
    first, second = (cache.hidden(reference, ROWS, block).hidden for block in (1, 2))
    assert not torch.equal(first, second)
    assert torch.equal(cache.hidden(reference, ROWS, 1).hidden, first)
    assert len(list(tmp_path.iterdir())) == 2


def _method(name, **hyperparameters):
    chosen = MethodSettings(name=name, hyperparameters=hyperparameters)
    return method_of(chosen, UnlearnSettings(lr=1e-3, epochs=2, methods=(name,)))


def test_a_block_that_the_model_lacks_is_told_before_anything_runs():
    scratch = ModelSettings()
    blocks = scratch.scratch.layers
    check_blocks(scratch, [_method("RMU", layer=blocks), _method("NPO")])
    with pytest.raises(UserError, match=rf"unlearn\.methods RMU,layer={blocks + 1}: .*the model has {blocks} blocks"):
        check_blocks(scratch, [_method("RMU", layer=blocks + 1)])


def test_hyperparameters_are_refused_all_at_once_with_the_kernel_s_own():
    with pytest.raises(UserError, match=r"no hyperparameter x .it takes beta1, beta2.*no hyperparameter beta3"):
        _method("SatImp", x=1, beta3=2)
    found = _method("SimNPO+RT", beta=2.5)
    assert found.label == "SIMNPO+RT,beta=2.5"
    assert found.objective.hyperparameters == {"beta": 2.5, "gamma": 0.0}
    assert found.beta == 2.5
    assert found.objective.retain_weight == 8.0
    labels = {"NPO": {}, "NPO,beta=0.5": {"beta": 0.5}, "NPO+RT": {"name": "npo+rt", "retain_weight": 1}}
    for label, changes in labels.items():
        assert MethodSettings(**{"name": "NPO", **changes}).label == label
    assert MethodSettings(name="simnpo+rt", retain_weight=1).label == "SIMNPO+RT,retain_weight=1"


def test_a_loss_without_a_gradient_is_told_by_its_name():
    def forgotten(logp):
        return logp.detach()

    scorer = Processes("cpu").accelerator.prepare(Scorer(tiny("llama")))
    objective, rows = compose(forgotten), TrainingRows(ROWS)
    loss = BatchLoss(scorer, objective, rows, piece=2, pad=1, processes=Processes("cpu"))
    (batch,) = batches(rows, objective, size=2, seed=0, epoch=0)
    with pytest.raises(ValueError, match="forgotten has no gradient"):
        loss.gradient(batch)
