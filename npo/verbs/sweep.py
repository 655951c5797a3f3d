"""npo sweep: every method and seed of a recipe as a job of its own, on a cluster or on this machine."""

import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from npo.running.methods import objective_of
from npo.running.recipes import RecipeChoices, read
from records.errors import UserError
from records.plain import plain
from records.store import writable

__all__ = ["sweep"]


def sweep(
    choices: RecipeChoices,
    out: Path | None,
    *,
    cluster: str,
    partition: str | None,
    gpus: int,
    hours: int,
    parallel: int,
) -> None:
    """Submit one job for the models, then one for each unlearning run; wait for all, and tell how each ended."""
    recipe = read(choices)
    from scale.stages.pipeline import units

    names = [unit.name for unit in units(recipe, resolve=objective_of)]
    executor = _executor(out or choices.out, cluster)
    options: dict[str, Any] = {"timeout_min": hours * 60}
    if cluster == "slurm":
        options |= {"gpus_per_node": gpus, "slurm_array_parallelism": parallel}
        options |= {"slurm_partition": partition} if partition else {}
    executor.update_parameters(**options)
    console = Console(stderr=True)
    before = [_submit(executor, choices, out, "evaluate")]
    _wait(console, before, ["models"])
    runs = [name for name in names if name.startswith("unlearn/")]
    jobs = []
    for start in range(0, len(runs), parallel if cluster == "local" else len(runs)):
        several = runs[start : start + parallel] if cluster == "local" else runs
        mine = [_submit(executor, choices, out, "run", "--unit", name) for name in several]
        _wait(console, mine, several)
        jobs += mine


def _executor(folder: Path, cluster: str) -> Any:
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")  # else it closes every log handler of this process
    try:
        import submitit
    except ImportError:
        raise UserError("Sweeps need the package submitit: pip install -e '.[slurm]'.") from None
    if cluster not in ("slurm", "local"):
        raise UserError(f"--cluster {cluster}: choose slurm or local.")
    if cluster == "slurm" and not submitit.SlurmExecutor.affinity() > 0:
        raise UserError("There is no SLURM here (srun is not found). Use --cluster local, or log in to the cluster.")
    return submitit.AutoExecutor(folder=str(writable(folder) / "jobs"), cluster=cluster)


def _submit(executor: Any, choices: RecipeChoices, out: Path | None, verb: str, *more: str) -> Any:
    import submitit

    words = [sys.executable, "-m", "npo.cli", verb, choices.name, *choices.words, *more]
    words += ["--out", str(out)] if out else []
    return executor.submit(submitit.helpers.CommandFunction(words))


def _wait(console: Console, jobs: list[Any], names: list[str]) -> None:
    """Until all have ended; UserError naming those that failed, and where their words are."""
    failed = []
    for job, name in zip(jobs, names, strict=True):
        error = job.exception()
        console.print(plain(f"{name}: {'failed' if error else 'done'}"), highlight=False, markup=False)
        if error:
            failed.append(f"  {name}: {job.paths.stderr}")
    if failed:
        raise UserError("These jobs failed; what they said is in\n" + "\n".join(failed))
