"""What `audit/<model>` does: the battery of `scale.audit` on a model of the run; and how a stage makes its subjects.

It leaves, beside `data.npz` with every score by question (`<score>`, of membership scores `<score>.others` too; NaN:
this question has none):

    stage, of, model        "audit"; the model that was audited: a unit of the run, or a model by name
    audit                   the settings
    families                the scores of each, by name
    scores                  by score {value, low, high}: mean over questions or AUC, 95 % interval; null: not finite
    against_retrained       the same less the retrained model's, question by question; {} where there is none
    asked                   how many questions of each set
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from records.doing import doing
from records.store import Data, load, save
from records.work import Progress
from scale.audit.asked import AskedSets
from scale.audit.battery import Measured, measured
from scale.audit.items import Items, Score, difference, score_of
from scale.audit.saved import arrays_of, items_of, told
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside, subject_of
from scale.data.questions import Question, QuestionSet
from scale.models.loading.whole import load as load_model
from scale.stages.shared.context import MODEL, Context, about_model

__all__ = ["Models", "audited", "families_told", "flat", "save_audit", "scores_told", "to_audit"]


class Models(NamedTuple):
    """Which models: that which is audited, the retrained and the finetuned one; each a unit of the run, or a name."""

    of: str
    retrained: str | None = None
    finetuned: str | None = None

    def subject(self, context: Context, inputs: Mapping[str, Path], settings: AuditSettings) -> AuditSubject:
        """The model itself, an adapter merged into its base."""
        return _subject(self.of, context, inputs, settings)

    def beside(self, context: Context, inputs: Mapping[str, Path], settings: AuditSettings) -> ModelsBeside:
        """The models that scores are taken with, where any family looks at them."""
        retrained, finetuned = (
            None if name is None else _subject(name, context, inputs, settings)
            for name in (self.retrained, self.finetuned)
        )
        return ModelsBeside(retrained, finetuned)


def _subject(name: str, context: Context, inputs: Mapping[str, Path], settings: AuditSettings) -> AuditSubject:
    model: Path | str = inputs[name] / MODEL if name in inputs else name
    revision = context.model.revision if model == context.model.base else None
    language_model = load_model(model, revision=revision, weights=context.model.weights)
    return subject_of(
        name,
        language_model,
        context.processes,
        prompt=context.model.prompt,
        longest=context.model.longest,
        protocol=settings.protocol,
    )


def to_audit(context: Context) -> AskedSets:
    """What a model of the run is asked: rows to forget, to retain, and as many that no model of the run has seen."""
    corpus = context.corpus
    asked = corpus.asked
    forget = asked["forget"] if "forget" in asked else QuestionSet(tuple(row.asked for row in corpus.forget), {})
    rows = [row.asked for row in corpus.held_out[: len(corpus.forget)]]
    kept_out = tuple(Question(row.prompt, (row.truth,)) for row in rows)  # membership looks at nothing else
    return AskedSets(forget, asked.get("retain"), QuestionSet(kept_out, {}) if kept_out else None)


def audited(
    folder: Path,
    inputs: Mapping[str, Path],
    progress: Progress,
    *,
    context: Context,
    models: Models,
    asked: AskedSets,
    settings: AuditSettings,
    against: str | None,
) -> None:
    """Audit a model; `against` is the unit that audited the retrained one."""
    del progress
    doing("loading the model")
    subject = models.subject(context, inputs, settings)
    found = measured(subject, asked, settings, models.beside(context, inputs, settings))
    retrained = items_of(load(inputs[against]).arrays) if against else {}
    if context.processes.first:
        save_audit(folder, subject, found, asked.first(settings.questions), settings, retrained)


def save_audit(
    folder: Path,
    subject: AuditSubject,
    found: Measured,
    asked: AskedSets,
    settings: AuditSettings,
    retrained: Mapping[str, Items],
    less: Mapping[str, AskedSets] | None = None,
) -> None:
    """Leave what was measured of a model that was `asked` this; `retrained`: the retrained one's scores, or none.

    `less` has, by name, the families that were asked of other sets than `asked`.
    """
    values = {
        "stage": "audit",
        "of": subject.name,
        "model": about_model(subject.language_model),
        "audit": settings.model_dump(mode="json"),
        "families": families_told(found),
        "scores": scores_told(flat(found), settings),
        "against_retrained": _against(flat(found), retrained, settings),
        "asked": _counted(asked),
        **({"asked_less": {family: _counted(sets) for family, sets in less.items()}} if less else {}),
    }
    save(folder, Data(arrays_of(flat(found)), values))


def _counted(asked: AskedSets) -> dict[str, int]:
    return {name: len(one.questions) for name, one in asked.sets.items()}


def _against(found: Mapping[str, Items], retrained: Mapping[str, Items], settings: AuditSettings) -> dict[str, Any]:
    """Differences from the retrained model of the scores that both have."""
    draws, seed = settings.draws, settings.seed
    both = [name for name in found if name in retrained]
    return {name: _interval(difference(found[name], retrained[name], draws=draws, seed=seed)) for name in both}


def flat(found: Measured) -> dict[str, Items]:
    """Every score by name alone."""
    return {name: items for family in found.values() for name, items in family.items()}


def families_told(found: Measured) -> dict[str, list[str]]:
    """The names of the scores of each family."""
    return {family: list(scores) for family, scores in found.items()}


def scores_told(found: Mapping[str, Items], settings: AuditSettings) -> dict[str, dict[str, float | None]]:
    """Every score with its interval, as JSON has it: null for what is not finite."""
    draws, seed = settings.draws, settings.seed
    return {name: _interval(score_of(items, draws=draws, seed=seed)) for name, items in found.items()}


def _interval(score: Score) -> dict[str, float | None]:
    return told(score) or dict.fromkeys(Score._fields)
