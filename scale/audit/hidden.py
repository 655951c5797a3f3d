"""What is left inside: an unlearned model's hidden states, read and used by the finetuned model.

    lens_block_k       logit lens: mean log p (nats a token) of the words, from the states after block k, by the
                       finetuned model's norm and head
    lens_erasure       Σ_k D₁ clip(D₂/D₁, 0, 1) / Σ_k D₁ with D₁ and D₂ what the retrained and this model lack there to
                       the finetuned one, over blocks with D₁ > τ
    unlearning_depth   UDS: the same of patching; D₁ and D₂ are the mean drops of the words' log p in the finetuned
                       model when the retrained and this model's states after block k stand in the place of its own

The words are the entity of an answer, all of it but the end token where there is none. In all three the finetuned
model has 0 and the retrained one 1, exactly.  Source: arXiv:2605.24614.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from records.errors import UserError
from scale.audit.asked import AskedSets
from scale.audit.depth import patched
from scale.audit.items import Items
from scale.audit.lens import block_states, lens
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside
from scale.audit.words import Spoken, logp_of_words, places_of, spoken_of
from scale.evaluation.metrics.depth import unlearning_depth
from scale.evaluation.metrics.similarity import cka_erasure, jackknifed, linear_cka, linear_cka_without
from scale.models.reading.handed_on import may_rest
from scale.models.reading.scorer import Scorer
from scale.models.reading.scoring import TOKENS_PER_BATCH
from scale.models.reading.unpadded import reading_of

__all__ = ["Inside", "hidden", "inside"]


class Inside(NamedTuple):
    """Of one model beside the finetuned one, by question and block, (n, blocks): nats a word token.

    `lens` is the log-probability under the logit lens, `drop` what the finetuned model loses by patching. `states` are
    the model's own where the words are predicted, (words, blocks, width) in float32, `owner` whose each word is.
    """

    lens: np.ndarray
    drop: np.ndarray
    states: np.ndarray
    owner: np.ndarray


def hidden(subject: AuditSubject, asked: AskedSets, settings: AuditSettings, beside: ModelsBeside) -> dict[str, Items]:
    """The scores above; nothing where there is no finetuned model, without a retrained one the lens by block alone.

    UserError where the models are not of one architecture, size and tokenizer.
    """
    if beside.finetuned is None:
        return {}
    others = [beside.finetuned, *([beside.retrained] if beside.retrained else [])]
    own, finetuned, *retrained = (inside(beside.finetuned, one, asked) for one in (subject, *others))
    found = {f"lens_block_{k}": Items(column) for k, column in enumerate(own.lens.T, start=1)}
    for one in retrained:
        lacking = finetuned.lens - own.lens
        found["lens_erasure"] = Items(unlearning_depth(finetuned.lens - one.lens, lacking, settings.tau))
        found["unlearning_depth"] = Items(unlearning_depth(one.drop, own.drop, settings.tau))
        found["cka_erasure"] = Items(_alike(own, one, finetuned))
    return found


def _alike(own: Inside, retrained: Inside, finetuned: Inside) -> np.ndarray:
    """CKA erasure by question, (n,): its mean is that of all words."""
    with_retrained = [
        [
            (linear_cka(x, y), linear_cka_without(x, y, one.owner))
            for x, y in zip(one.states.swapaxes(0, 1), retrained.states.swapaxes(0, 1), strict=True)
        ]
        for one in (own, finetuned)
    ]
    whole, without = ([np.array([pair[i] for pair in of]) for of in with_retrained] for i in (0, 1))
    return jackknifed(float(cka_erasure(*whole)), cka_erasure(*(of.T for of in without)))


def inside(finetuned: AuditSubject, other: AuditSubject, asked: AskedSets) -> Inside:
    """Lens and drops of one model; read once in a process for the same finetuned model and questions."""
    spoken = spoken_of(asked, finetuned.writer)
    _refuse(finetuned, other, asked, spoken)
    key = ("hidden", id(finetuned), tuple(spoken))
    if key not in other.read:
        other.read[key] = _inside(finetuned, other, spoken)
    known: Inside = other.read[key]
    return known


@torch.no_grad()
def _inside(finetuned: AuditSubject, other: AuditSubject, spoken: Sequence[Spoken]) -> Inside:
    processes, rows = finetuned.processes, [one.row for one in spoken]
    one, two = (_scorer(subject) for subject in (finetuned, other))
    rest = may_rest(one, rows, processes)
    reading = reading_of(one, rows, finetuned.writer.pad, processes, processes.room(TOKENS_PER_BATCH))
    found = torch.zeros(2, len(rows), one.blocks, dtype=torch.float64)
    owner = torch.tensor([i for i, each in enumerate(spoken) for _ in range(each.start, each.stop)])
    own_states = torch.zeros(len(owner), one.blocks, one.width)
    for batch, spare in processes.share(reading.batches):
        made, some = reading.made(batch), [spoken[i] for i in batch]
        places = places_of(made, some)
        with processes.accelerator.autocast():
            own = block_states(one, made)
            states = own if one is two else block_states(two, made)
            read = lens(one, made, places, states, rest=rest)
            drop = torch.zeros_like(read)  # with its own states in their place it loses nothing
            if one is not two:
                drop = logp_of_words(one, made, places) - patched(one, made, places, own, states, rest=rest)
        if not spare:
            means = [[places.mean(values, len(some)) for values in kind] for kind in (read, drop)]
            found[:, batch] = torch.stack([torch.stack(kind, dim=1) for kind in means])
            for i, row in enumerate(batch):
                at = places.place[places.answer == i]
                of_blocks = [states[number].flatten(0, 1)[at] for number in sorted(states)]
                own_states[owner == row] = torch.stack(of_blocks, dim=1).float().cpu()
    both = processes.together(found).numpy()
    return Inside(both[0], both[1], processes.together(own_states).numpy(), owner.numpy())


def _scorer(subject: AuditSubject) -> Scorer:
    scorer: Scorer = subject.processes.accelerator.unwrap_model(subject.scorer)
    return scorer.eval()


def _refuse(finetuned: AuditSubject, other: AuditSubject, asked: AskedSets, spoken: Sequence[Spoken]) -> None:
    """UserError where one model's states mean nothing in the other."""
    if finetuned is other:
        return
    sizes = [
        (one.plain.config.get_text_config().model_type, one.blocks, one.width, len(one.head().weight))
        for one in map(_scorer, (finetuned, other))
    ]
    kinds = [f"a {kind} of {blocks} blocks, {width} wide, {words} tokens" for kind, blocks, width, words in sizes]
    advice = "Name a finetuned model that it was unlearned from, or leave the family hidden out (families)."
    if sizes[0] != sizes[1]:
        raise UserError(
            f"hidden: {other.name} is {kinds[1]}, the finetuned model {finetuned.name} {kinds[0]}: states of one can't "
            f"be read by the other. {advice}"
        )
    if [one.row for one in spoken] != [one.row for one in spoken_of(asked, other.writer)]:
        raise UserError(
            f"hidden: {other.name} and the finetuned model {finetuned.name} don't write the same tokens for the same "
            f"questions: their tokenizers or prompt formats differ. {advice}"
        )
