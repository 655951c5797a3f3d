"""Three tiny models beside each other, as an audit has them, and what it asks of them."""

import torch
from tiny_families import family

from scale.audit.asked import AskedSets, Entity
from scale.audit.subject import AuditSubject, ModelsBeside, subject_of
from scale.data.fictional import authors
from scale.data.formats import FORMATS
from scale.data.questions import QuestionSet
from scale.models.folders.language_model import LanguageModel
from scale.models.loading.scratch import train_tokenizer
from scale.runtime.processes import Processes

ROWS = authors(1, seed=0)[:4]
TOKENIZER = train_tokenizer([FORMATS["plain"].prompt(None, row.question) + row.answer for row in ROWS], 320)
QUESTIONS = tuple(row.asked for row in ROWS)
ENTITIES = (Entity(ROWS[0].answer.split()[-1].strip(".")), None, None, None)
ASKED = AskedSets(QuestionSet(QUESTIONS, {}), entities=ENTITIES, reworded=("Who is it?", None, "Where, then?", None))


def model_of(name="llama", noise=0.0, seed=1):
    """A family's model, its weights moved by so much."""
    model = family(name, vocab=len(TOKENIZER), end=TOKENIZER.eos_token_id, pad=TOKENIZER.pad_token_id)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight += noise * torch.randn(weight.shape, generator=generator)
    return model


def subject(model, name="a model") -> AuditSubject:
    return subject_of(name, LanguageModel(model, TOKENIZER), Processes("cpu"), prompt="plain")


def beside(name="llama") -> ModelsBeside:
    """The finetuned model and a retrained one, which is another."""
    return ModelsBeside(
        retrained=subject(model_of(name, 0.05), "the retrained one"), finetuned=subject(model_of(name), "the finetuned")
    )
