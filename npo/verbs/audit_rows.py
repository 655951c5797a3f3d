"""The rows that an audit asks: of files, or of the recipe of a run."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from npo.verbs.audited_run import RunOfModel
from records.errors import UserError, together

if TYPE_CHECKING:
    from scale.audit.asked import AskedSets
    from scale.audit.settings import AuditSettings
    from scale.data.questions import QuestionSet
    from scale.data.user_rows import UserFile
    from scale.recipes.recipe import Recipe
    from scale.stages.audits.attack_rows import RowsThere
    from scale.tasks.corpus import Corpus

__all__ = ["AsksForRows", "RowsAsked", "rows_asked"]

SETS = ("forget", "retain", "holdout")


class AsksForRows(Protocol):
    """What the command line says of rows."""

    @property
    def forget(self) -> Path | None:
        """The file of rows to forget."""

    @property
    def retain(self) -> Path | None:
        """Of rows to retain."""

    @property
    def holdout(self) -> Path | None:
        """Of rows that no model has seen."""

    @property
    def format(self) -> str | None:
        """How rows are written."""


class RowsAsked(NamedTuple):
    """The questions of an audit, and the rows that they are of, for attacks that train."""

    sets: "AskedSets"
    rows: "RowsThere"


def rows_asked(
    asked: AsksForRows, recipe: "Recipe | None", run: RunOfModel | None, settings: "AuditSettings"
) -> RowsAsked:
    """Rows of the files that were named, the others of the recipe; UserError with all mistakes."""
    from scale.audit.asked import AskedSets
    from scale.audit.known import with_known
    from scale.data.user_rows import read_user_rows
    from scale.tasks.kinds import corpus_of

    paths = {name: path for name in SETS if (path := getattr(asked, name)) is not None}
    corpus, *files = together(
        lambda: corpus_of(recipe.data) if recipe else None,
        *(partial(read_user_rows, path, asked.format) for path in paths.values()),
    )
    given = dict(zip(paths, files, strict=True))
    if corpus is not None and asked.forget is None:
        _check_same_rows(corpus, run)
    _refuse_seen(given, corpus)
    found = {**(_of_corpus(corpus, own="forget" in given) if corpus else {}), **_of_files(given)}
    sets = AskedSets(found["forget"], found.get("retain"), found.get("holdout"))
    _check_held_out(sets.holdout, settings)
    data = recipe.data if recipe and "forget" not in given else None
    return RowsAsked(with_known(sets, settings, data), _there(given, corpus))


def _check_held_out(rows: "QuestionSet | None", settings: "AuditSettings") -> None:
    """UserError where membership alone is asked for and can't be, or would be of one row."""
    if rows is None and settings.families == ("membership",):
        raise UserError(
            "--family membership: it compares rows to forget with rows that no model has seen, and there are none. "
            "Name them with --holdout FILE."
        )
    if rows is not None and len(rows.questions) == 1:
        raise UserError(
            "--holdout: an AUC against one row says nothing. Hold out as many rows as are to be forgotten, or leave "
            "it out: membership is not asked then."
        )


def _there(given: Mapping[str, "UserFile"], corpus: "Corpus | None") -> "RowsThere":
    """The rows behind the questions; spare ones are a recipe's, where it is its rows that are to be forgotten."""
    from scale.stages.audits.attack_rows import RowsThere

    names = {"forget": "forget", "retain": "retain", "holdout": "held_out"}
    files = {names[name]: tuple(file.rows) for name, file in given.items()}
    if corpus is None:
        return RowsThere(**files)
    of_recipe = RowsThere.of(corpus)
    if "forget" in given:
        return RowsThere(**{"held_out": of_recipe.held_out, **files})
    return replace(of_recipe, **files)


def _of_files(files: Mapping[str, "UserFile"]) -> dict[str, "QuestionSet"]:
    from scale.audit.asked import set_of

    return {name: set_of(file.rows) for name, file in files.items()}


def _of_corpus(corpus: "Corpus", *, own: bool) -> dict[str, "QuestionSet"]:
    """The sets of a recipe, of rows held out as many as are to be forgotten; of those alone beside `own` rows."""
    from scale.audit.asked import set_of

    held_out = corpus.held_out[: len(corpus.forget)]
    found = {"holdout": set_of(held_out)} if held_out else {}
    if own:
        return found
    for name, rows in (("forget", corpus.forget), ("retain", corpus.retain)):
        found[name] = corpus.asked[name] if name in corpus.asked else set_of(rows)
    return found


def _check_same_rows(corpus: "Corpus", run: RunOfModel | None) -> None:
    """UserError where the model was unlearned from other rows than the recipe's."""
    before = run.settings.get("data", {}) if run else {}
    if run and before.get("hash") not in (None, corpus.describe()["hash"]):
        raise UserError(
            f"{run.unit} was made with other rows than this recipe has ({before.get('source')}, "
            f"{before.get('forget_rows')} to forget): add the keys that it was run with (data.KEY=VALUE, or --data "
            "DIR), or name its rows with --forget FILE."
        )


def _refuse_seen(files: Mapping[str, "UserFile"], corpus: "Corpus | None") -> None:
    """UserError where a row is in two sets, rows of a recipe counted where no file is in their place."""
    from scale.data.normal_form import normal_form
    from scale.data.user_sets import refuse_common

    if "forget" in files and "retain" in files:
        refuse_common(files["forget"], files["retain"])
    if "holdout" not in files:
        return
    of_recipe = {"forget": corpus.forget, "retain": (*corpus.retain, *corpus.kept)} if corpus else {}
    seen = {
        normal_form(*row.words): name
        for name in ("retain", "forget")
        for row in (files[name].rows if name in files else of_recipe.get(name, ()))
    }
    file = files["holdout"]
    wrong = [
        f"  {file.place} {line}: {row.shown[0][:60]!r} is a row to {seen[normal_form(*row.words)]} too"
        for row, line in zip(file.rows, file.lines, strict=True)
        if normal_form(*row.words) in seen
    ]
    if wrong:
        raise UserError(
            "\n".join([f"{file.path} should hold rows that no model has seen, and {len(wrong)} are known:", *wrong[:5]])
        )
