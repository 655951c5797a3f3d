"""Parts of an audit, each a family of one model: measured once, kept, put together again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from records.doing import doing
from records.store import Data, content_hash, load, save
from records.work import Progress, Unit
from scale.audit.asked import AskedSets
from scale.audit.battery import BESIDE, MODEL, Audit, families_of
from scale.audit.families import Family
from scale.audit.fluency import classifier_hash
from scale.audit.saved import arrays_of, items_of
from scale.audit.settings import AuditSettings
from scale.audit.subject import AuditSubject, ModelsBeside, loaded
from scale.evaluation.kept import KeptMeasures
from scale.models.loading.whole import Weights
from scale.models.reference.identity import folders_of, model_hash
from scale.runtime.processes import Processes

__all__ = ["Plan", "parts", "put_together"]


@dataclass(frozen=True)
class Plan:
    """Which models, by `MODEL`, `BESIDE` and "reference", how they are asked and where; `name` is what MODEL is called.

    Only as many models are held at once as one part looks at.
    """

    name: str
    places: Mapping[str, str]
    asked: AskedSets
    settings: AuditSettings
    processes: Processes
    prompt: Any = "auto"
    longest: int | None = None
    weights: Weights = "float32"
    held: dict[str, AuditSubject] = field(default_factory=dict, repr=False, compare=False)

    def subjects(self, wanted: Sequence[str], folder: Path) -> dict[str, AuditSubject]:
        """These models, loaded where they are not held yet; what was read of them is kept in `folder`."""
        for name in set(self.held) - set(wanted):
            del self.held[name]
        for name in wanted:
            if name not in self.held:
                self.held[name] = self.loaded(name, self._kept(name, folder))
        return {name: self.held[name] for name in wanted}

    def loaded(self, name: str, kept: KeptMeasures | None = None) -> AuditSubject:
        """A model loaded anew, which is nobody else's: its weights may be changed."""
        doing(f"loading the {name} model" if name != MODEL else "loading the model")
        return loaded(
            self.places[name],
            self.processes,
            name=name,
            prompt=self.prompt,
            longest=self.longest,
            protocol=self.settings.protocol,
            weights=self.weights,
            kept=kept,
        )

    def beside(self, reads: Sequence[str]) -> dict[str, str]:
        """The models of these names that there are, by name."""
        return {name: self.places[name] for name in reads if name in self.places}

    def said(self, of: str, reads: Sequence[str], takes: Sequence[str], asked: AskedSets) -> dict[str, Any]:
        """What a measurement of a model depends on: models, what is asked of them, those settings that it takes."""
        settings = self.settings.model_dump(mode="json")
        classifier = self.settings.fluency if "fluency" in takes else None
        return {
            "of": self.places[of],
            "weights_of": model_hash(self.places[of]),
            "beside": {name: [place, model_hash(place)] for name, place in self.beside(reads).items()},
            "asked": content_hash(repr(asked)),
            "settings": {name: settings[name] for name in ("protocol", *takes)},
            "how": [repr(self.prompt), self.longest, self.weights],
            "precision": self.processes.precision,
            **({"fluency_of": classifier_hash(classifier)} if classifier else {}),
        }

    def folders(self, of: str, reads: Sequence[str]) -> tuple[Path, ...]:
        """Of the models that a measurement reads."""
        return tuple(
            folder for place in (self.places[of], *self.beside(reads).values()) for folder in folders_of(place)
        )

    def place(self, of: str, family: Family) -> str:
        """The name of the unit that measures a family of a model."""
        return f"measured/{self.name if of == MODEL else of}/{family.name}"

    def _kept(self, name: str, folder: Path) -> KeptMeasures | None:
        """Nothing is kept of a model that lies in no folder: it may be another tomorrow."""
        if not folders_of(self.places[name]):
            return None
        whole = content_hash([model_hash(self.places[name]), self.weights])
        return KeptMeasures(folder, whole, self.processes)


def parts(plan: Plan) -> list[Unit]:
    """A unit for each family of each model, the model before those beside it."""
    models = [name for name in (MODEL, *BESIDE) if name in plan.places]
    return [_part(plan, of, family) for of in models for family in families_of(plan.settings)]


def _part(plan: Plan, of: str, family: Family) -> Unit:
    said = plan.said(of, family.reads, family.takes, plan.asked.first(plan.settings.questions))
    run = partial(_measure, plan=plan, of=of, family=family)
    return Unit(plan.place(of, family), said, run, reads=plan.folders(of, family.reads), alone=True)


def _measure(
    folder: Path, inputs: Mapping[str, Path], progress: Progress, *, plan: Plan, of: str, family: Family
) -> None:
    """Measure a family of a model, and leave its scores by question."""
    del inputs, progress
    read = plan.beside(family.reads)
    subjects = plan.subjects(list(dict.fromkeys([of, *read])), folder.parent.parent / ".read")
    doing(family.about)
    asked = plan.asked.first(plan.settings.questions)
    beside = ModelsBeside(**{name: subjects[name] for name in read})
    found = family.measure(subjects[of], asked, plan.settings, beside)
    if plan.processes.first:
        save(folder, Data(arrays_of(found), {"of": of, "family": family.name, "scores": list(found)}))


def put_together(plan: Plan, folder: Path) -> Audit:
    """The audit, of parts that are finished."""
    families = families_of(plan.settings)
    return Audit(
        {
            of: {family.name: items_of(load(folder / plan.place(of, family)).arrays) for family in families}
            for of in (MODEL, *BESIDE)
            if of in plan.places
        },
        plan.settings,
    )
