"""The units of work that a recipe stands for, and what each leaves.

A unit's folder holds `data.json` and `data.npz` (`records.store.load` reads both).

`pretrain`, `finetune`, `retrain`, `reinforce` (the finetuned model trained further on the forget rows, where a loss
asks for its logits), beside `model/` (weights, tokenizer, card):

    stage, seed, data, model    data: source, hash of every word, forget_rows, retain_rows, asked; model: kind,
                                parameters, trained, vocabulary
    training                    optimizer, its steps, what decays, clipping, and what each term is a mean over
    merged_boundaries           rows in which a token reaches from the prompt into the answer
    history                     columns with one entry a step: epoch, lr, loss (nats a token), forget, weight

`evaluate/finetune`, `evaluate/retrain`, beside `log.json` (TOFU's format):

    of, protocol, scores        scores: model_utility, <set>_{probability, rouge, rouge1, degenerate, truth_ratio}, and
                                <set>_<metric> of further ones (`evaluate.metrics`)
    questions, truths, texts    texts: list of {set, question, answer, generated}; truths: the true answers, by set
    rouge                       of which set ROUGE is not as in TOFU, {set: sentence} (`metrics.rouge`); else absent
    arrays                      <set>.{answer, paraphrase, perturbed}_{nll, tokens} (nats a token), .rouge1, .rougeL,
                                .degenerate, .<metric> of further ones that losses alone don't give; an entry a question

`unlearn/<label>-s<seed>`, beside `log.json` of its end and `model/`:

    stage, method, label, beta, hyperparameters, seed, protocol, data, model    as above; hyperparameters: all, by name
    training     as above
    history      columns: epoch, lr, loss, forget, retain, drop (mean of log π_ref − log π_θ over the batch, nats),
                 weight (mean gradient weight W, of answers or of tokens; none of a loss of logits or hidden states),
                 z_ref (KTO, before the clamp), multiplier (the retain weight, where it is a dual variable), norm (of
                 the gradient, where it is clipped); null: not finite
    multiplier   where there is one: {value, bound} of the dual variable at the end, and what the retain loss may be
    stopped      null, or why the run ended early: numbers that were not finite; the epochs before are kept, and the
                 model of the last of them (none where the first did not end)
    changed      false where not one weight is another than at the start
    moments      list of {step, epoch, scores, forget_quality, log10_forget_quality, ks_statistic, forget_kl, retain_kl
                 (to the reference, nats a token)}, the first before training; null: not finite
    kept         with `unlearn.keep: best`: {step, epoch, score, rule, told} of the moment whose model and answers
                 these are; else absent, and they are of the end
    kl_rows      answers that each KL was measured on, the first ones
    finetuned, retrained         `scores` of these models; of the second {} where there is none
    n, log10_floor               forget questions, and log10 of the least forget quality that so many allow
    not_rankable                 reasons (sentences) why these two models can't rank methods; empty if they can
    texts, rouge                 as above, of the end
    arrays                       as above, with moments along a first axis; NaN where no answers were generated

`auto-beta/…`, where β is `auto`, are told of in `scale.stages.beta.units`; `audit/…` and `attack/…`, where a recipe
says `audit:` or `attacks:`, in `scale.stages.audits.audited` and `scale.stages.audits.attacked`.

With `evaluate: none` no model is examined and none is retrained: there is no `evaluate/…` and no `log.json`, `moments`,
`texts` and `arrays` are empty, `finetuned` and `retrained` {}, and `drop` is only there for methods that need π_ref.

and what its task adds (`scale.tasks`; of one's own rows `scale.tasks.rows_told`). With `finetune: null` the model that
the recipe names is unlearned as it is: `evaluate/finetune` examines it, and nothing is retrained. `npo forget` with one
method leaves `forget` alone, an unlearning run that examines its model itself.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from records.errors import UserError, together
from records.loader import source_of
from records.paths import user_path
from records.store import content_hash
from records.work import Unit
from scale.data.row import Learnable
from scale.evaluation.asked import refuse_wanting
from scale.evaluation.catalogue import is_own, needs_of
from scale.evaluation.retain_log import RetainLog
from scale.models.reference.identity import folders_of, model_hash
from scale.recipes.base_model import check_blocks, look_for, look_for_trained
from scale.recipes.method import Method, Resolve, methods_of, paper_method
from scale.recipes.recipe import Recipe
from scale.recipes.wanted_drop import AUTO_BETA
from scale.runtime.processes import Processes
from scale.stages.audits.units import AuditUnits
from scale.stages.beta.units import BetaUnits
from scale.stages.examining.evaluate import evaluate, evaluate_named, sets_of
from scale.stages.examining.examples import examples_of
from scale.stages.examining.judged_by_log import log_of, take_log
from scale.stages.fitting.fit import fit
from scale.stages.fitting.given import take
from scale.stages.shared.context import Context
from scale.stages.shared.cost import of_examination, of_training, of_unlearning, stands_alone
from scale.stages.shared.own_code import own_code, source_of_optimizer
from scale.stages.shared.prepared import context_of
from scale.stages.unlearning.best import unmeasured
from scale.stages.unlearning.unlearn import unlearn
from scale.tasks.corpus import hashable
from scale.tasks.kinds import task_of
from scale.training.asked import asks_reinforced
from scale.training.schedule import Schedule, beyond, idle

REINFORCE = "reinforce"

__all__ = ["Stages", "evaluation_of", "stage_of", "units"]


def units(
    recipe: Recipe, processes: Processes | None = None, *, prefix: str = "", resolve: Resolve = paper_method
) -> list[Unit]:
    """All units of a recipe; rows and methods are read and its model looked for now, so their errors come at once."""
    where = processes or Processes(recipe.device, recipe.precision, recipe.trackers)
    methods, context, *_ = together(
        lambda: methods_of(recipe.unlearn, resolve),
        lambda: context_of(recipe, where),
        lambda: look_for(recipe.model),
        lambda: look_for_trained(recipe),
    )
    check_blocks(recipe.model, methods)
    return Stages(recipe, context, prefix).all(methods)


def evaluation_of(recipe: Recipe, processes: Processes, model: str, name: str) -> Unit:
    """The unit that examines any model with a recipe's data, format and protocol."""
    plan = Stages(recipe, context_of(recipe, processes), "")
    run = partial(evaluate_named, context=plan.context, task=plan.task, model=model, log=plan.log)
    settings = {**plan.shared, "asked": plan.asked, "model_of": model, "weights_of": model_hash(model)}
    settings |= {"retain_log": plan.log.settings()} if plan.log else {}
    return Unit(name, settings, run, reads=(*folders_of(model), *plan.common["reads"]), alone=True)


def asked_of(recipe: Recipe, context: Context) -> dict[str, Any]:
    """What is asked of a model, as its settings say; UserError for every further metric that can't be taken."""
    own = [name for names in recipe.evaluate.metrics.values() for name in names if is_own(name)]
    sets, shown, *_ = together(
        lambda: sets_of(context), lambda: examples_of(context), *(partial(needs_of, name) for name in own)
    )
    refuse_wanting(sets, recipe.evaluate.metrics)
    sources = {"own_metrics": content_hash([source_of(name) for name in own])} if own else {}
    examples = {"examples": content_hash(shown)} if shown else {}
    return recipe.evaluate.described() | {"protocol": recipe.protocol} | sources | examples


class Stages:
    """Names, settings and needs of the units of one recipe."""

    def __init__(self, recipe: Recipe, context: Context, prefix: str) -> None:
        self.recipe, self.context, self.prefix = recipe, context, prefix
        self.task = task_of(recipe.data.kind)
        self.shared: dict[str, Any] = {
            "data": context.corpus.describe(),
            "model": recipe.model.model_dump(mode="json"),
            "precision": recipe.precision,
        }
        folders = () if recipe.model.scratch else folders_of(recipe.model.base)
        self.shared |= {"base_of": model_hash(recipe.model.base)} if folders else {}
        self.asked, self.log = together(lambda: asked_of(recipe, context), lambda: log_of(recipe, context))
        self.sizes: dict[str, tuple[Schedule, int]] = {}  # schedule and rows of what is trained
        named = (*recipe.files, *(name.rpartition(":")[0] for name in own_code(recipe)))
        files = (path for path in (user_path(name, "The recipe: the path") for name in named if name) if path.exists())
        alone = stands_alone(recipe, context.processes)
        self.common: dict[str, Any] = {"reads": (*folders, *files), "alone": alone}  # of all units

    def models(self) -> list[Unit]:
        """The models that everything else starts from or is judged by; none to judge by where nothing is examined."""
        recipe, corpus = self.recipe, self.context.corpus
        if recipe.starts_as_it_is:
            self._refuse_idle()
            return []
        first = [self._fit("pretrain", corpus.known, recipe.pretrain, None)] if recipe.pretrain else []
        kept = (*corpus.retain, *corpus.kept, *(corpus.known if recipe.rehearse else ()))
        every = (*kept, *corpus.later, *corpus.forget)
        found = [*first, self._model("finetune", recipe.finetuned, recipe.finetune, every)]
        if "retrain" in self._judging and self.log is None:
            found.append(self._model("retrain", recipe.retrained, recipe.retrain or recipe.finetune, kept))
        self._refuse_idle()
        return found

    def all(self, methods: Sequence[Method]) -> list[Unit]:
        """In an order in which every unit comes after those that it needs."""
        for method in methods:
            self.sizes[f"unlearn.methods {method.label}"] = method.schedule, len(self.context.corpus.forget)
        together(lambda: self._refuse_late(methods), self._refuse_unmeasured)
        models = self.models()
        runs = [self._unlearn(method, seed) for seed in self.recipe.unlearn.seeds for method in methods]
        return [
            *models,
            *self._judges(models),
            *self.betas.all(methods),
            *self.reinforced(methods),
            *runs,
            *self.audits.all([run.name for run in runs]),
        ]

    @property
    def betas(self) -> BetaUnits:
        """The units that find a β where it is `auto`."""
        return BetaUnits(
            self.recipe,
            self.context,
            self.task,
            prefix=self.prefix,
            shared=self.shared,
            common=self.common,
            retrained=self._has_retrained,
        )

    @property
    def audits(self) -> AuditUnits:
        """The units that audit and attack the models; none where the recipe asks for none."""
        recipe, context, has = self.recipe, self.context, self._has_retrained
        return AuditUnits(recipe, context, self.prefix, self.shared, self.common, retrained=has)

    @property
    def _has_retrained(self) -> bool:
        """Is there a unit that holds the retrained model?"""
        return not self.recipe.starts_as_it_is and "retrain" in self._judging and self.log is None

    def reinforced(self, methods: Sequence[Method]) -> list[Unit]:
        """What trains the reference further on the rows to forget, where a method asks for that model's logits."""
        if not any(asks_reinforced(method.objective) for method in methods):
            return []
        schedule = self.recipe.unlearn.reinforce.schedule(self.recipe.unlearn)
        found = self._fit(REINFORCE, self.context.corpus.forget, schedule, self._finetuned)
        self._refuse_idle()
        return [found]

    @property
    def _finetuned(self) -> str | None:
        """The stage that unlearning starts from; None where it starts from the recipe's model as it is."""
        return None if self.recipe.starts_as_it_is else f"{self.prefix}finetune"

    def _judges(self, models: Sequence[Unit]) -> list[Unit]:
        """The examinations that unlearning runs are held against."""
        if not self._judging:
            return []
        first = self._evaluate("finetune") if models else self._evaluate_base()
        second = [self._taken_log(self.log) if self.log else self._evaluate("retrain")] if self._judging[1:] else []
        return [first, *second]

    def _refuse_idle(self) -> None:
        """UserError naming every stage and method whose schedule would train nothing."""
        reasons = {name: idle(schedule, rows) for name, (schedule, rows) in self.sizes.items()}
        if wrong := [f"{name}: {reason}" for name, reason in reasons.items() if reason]:
            raise UserError("\n".join(wrong))

    def _refuse_late(self, methods: Sequence[Method]) -> None:
        """UserError naming every method that never comes to a step at which it is to be examined."""
        at, rows = self.recipe.evaluate.at, len(self.context.corpus.forget)
        reasons = {method.label: beyond(at, method.schedule, rows) for method in methods}
        if wrong := [f"evaluate.at: {label}: {reason}." for label, reason in reasons.items() if reason]:
            raise UserError("\n".join(wrong))

    def _refuse_unmeasured(self) -> None:
        """UserError where the best moment is to be chosen by what is not measured."""
        recipe = self.recipe
        if recipe.unlearn.keep == "best" and not recipe.evaluate.examines:
            raise UserError(
                "unlearn.keep: best chooses among examined models, and evaluate is none. Say evaluate=end or keep=last."
            )
        if recipe.unlearn.keep == "best":
            sets, whole = sets_of(self.context), self.task.whole
            unmeasured(recipe.unlearn.best, sets, whole, generate=recipe.evaluate.generate)

    def _model(self, stage: str, model: str | None, schedule: Schedule | None, rows: Sequence[Learnable]) -> Unit:
        """The model of a stage: one that is trained already where it is named, else trained on these rows."""
        if model is not None:
            return self._given(stage, model)
        assert schedule is not None
        return self._fit(stage, rows, schedule, self.prefix + "pretrain" if self.recipe.pretrain else None)

    def _given(self, stage: str, model: str) -> Unit:
        """What takes a model that is trained already for that of a stage."""
        settings = {**self.shared, "stage": stage, "given": model, "weights_of": model_hash(model)}
        run = partial(take, context=self.context, stage=stage, model=model, settings=settings)
        common = {**self.common, "reads": (*self.common["reads"], *folders_of(model))}
        return Unit(self.prefix + stage, settings, run, **common)

    def _fit(self, stage: str, rows: Sequence[Learnable], schedule: Schedule, start: str | None) -> Unit:
        self.sizes[stage] = schedule, len(rows)
        settings = {
            **self.shared,
            "stage": stage,
            "rows": len(rows),
            "rows_of": content_hash(hashable(rows)),
            "schedule": schedule.described(),
            "seed": self.recipe.seed,
            **source_of_optimizer(schedule),
        }
        run = partial(
            fit,
            context=self.context,
            stage=stage,
            rows=rows,
            schedule=schedule,
            start=start,
            seed=self.recipe.seed,
            settings=settings,
        )
        needs = (start,) if start else ()
        seconds = of_training(self.recipe, schedule, len(rows))
        return Unit(self.prefix + stage, settings, run, needs=needs, seconds=seconds, **self.common)

    def _evaluate(self, stage: str) -> Unit:
        of = self.prefix + stage
        run = partial(evaluate, context=self.context, task=self.task, of=of)
        settings, seconds = {**self.shared, "asked": self.asked}, of_examination(self.recipe)
        return Unit(f"{self.prefix}evaluate/{stage}", settings, run, needs=(of,), seconds=seconds, **self.common)

    @property
    def _judging(self) -> tuple[str, ...]:
        """The models that unlearning is held against: none where nothing is examined, one without a retrained one."""
        if not self.recipe.evaluate.examines:
            return ()
        return ("finetune", "retrain") if self.log or not self.recipe.starts_as_it_is else ("finetune",)

    def _taken_log(self, log: RetainLog) -> Unit:
        """What takes the log of a retrained model for its examination."""
        run = partial(take_log, context=self.context, task=self.task, log=log)
        settings = {**self.shared, "asked": self.asked, "retain_log": log.settings()}
        return Unit(f"{self.prefix}evaluate/retrain", settings, run, **{**self.common, "alone": False})

    def _evaluate_base(self) -> Unit:
        """The examination of the model that is finetuned already, under the name of a finetuned one."""
        base = self.recipe.model.base
        run = partial(evaluate_named, context=self.context, task=self.task, model=base)
        settings, seconds = {**self.shared, "asked": self.asked}, of_examination(self.recipe)
        return Unit(f"{self.prefix}evaluate/finetune", settings, run, seconds=seconds, **self.common)

    def single(self, method: Method, name: str) -> Unit:
        """The unlearning of a given model by one method as the only run: it examines that model itself."""
        self.sizes[name] = method.schedule, len(self.context.corpus.forget)
        self._refuse_idle()
        unit = self._unlearn(method, self.recipe.unlearn.seeds[0])
        assert isinstance(unit.run, partial)
        needs = tuple(needed for needed in unit.needs if needed not in unit.run.keywords["judged_by"])
        return replace(unit, name=name, needs=needs, run=partial(unit.run, judged_by=()))

    def _unlearn(self, method: Method, seed: int) -> Unit:
        chosen = self.recipe.unlearn
        settings = {
            **self.shared,
            "asked": self.asked,
            "method": {"name": method.name, "label": method.label, "beta": _said(method), **_more(method)},
            "own_source": content_hash(source_of(method.name)),
            "weights": [method.objective.forget_weight, method.objective.retain_weight],
            "schedule": method.schedule.described(),
            "reduction": chosen.reduction,
            "reference": chosen.reference,
            "seed": seed,
            **source_of_optimizer(method.schedule),
        }
        settings |= {"dual": asdict(dual)} if (dual := method.objective.dual) else {}
        settings |= {"at": list(self.recipe.evaluate.at)} if self.recipe.evaluate.at else {}
        best = chosen.best if chosen.keep == "best" else None
        settings |= {"keep": best.model_dump(mode="json")} if best else {}
        finetuned = self._finetuned
        reinforced = f"{self.prefix}{REINFORCE}" if asks_reinforced(method.objective) else None
        judges = tuple(f"evaluate/{stage}" for stage in self._judging)
        judged_by = tuple(self.prefix + name for name in judges)
        run = partial(
            unlearn,
            context=self.context,
            task=self.task,
            method=method,
            seed=seed,
            live=chosen.reference == "live",
            keep_model=chosen.keep_models,
            rule=best,
            settings=settings,
            finetuned=finetuned,
            reinforced=reinforced,
            judged_by=judged_by,
            beta_of=(beta_of := self.betas.needed(method)),
        )
        name = f"{self.prefix}unlearn/{method.label}-s{seed}"
        seconds = of_unlearning(self.recipe, method.schedule, len(self.context.corpus.forget))
        needs = (*filter(None, [finetuned]), *judged_by, *filter(None, [beta_of, reinforced]))
        return Unit(name, settings, run, needs=needs, seconds=seconds, **self.common)


def stage_of(unit: Unit, prefix: str = "") -> str:
    """The stage that a unit belongs to: the first word of its name."""
    return unit.name.removeprefix(prefix).partition("/")[0]


def _said(method: Method) -> float | str | None:
    """β as settings have it: `auto` where it is found on the way."""
    return AUTO_BETA if method.auto else method.beta


def _more(method: Method) -> dict[str, Any]:
    """Hyperparameters but β, where there are any."""
    found = {name: value for name, value in method.objective.hyperparameters.items() if name != "beta"}
    return {"hyperparameters": found} if found else {}
