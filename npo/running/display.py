"""What a long command shows while it works: what is done, how far it is, how fast, and when it will end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from records.plain import plain
from records.work import Progress

__all__ = ["COLUMNS", "progress_bars"]


class RateColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """The speed of the task, as far as it is known."""
        return Text(f"{task.speed:.3g}/s" if task.speed else "", style="progress.data.speed")


COLUMNS: tuple[ProgressColumn, ...] = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    MofNCompleteColumn(),
    RateColumn(),
    TimeElapsedColumn(),
    TimeRemainingColumn(),
)


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Progress]]:
    """A function from a description to a new bar's progress."""
    with Bars(*COLUMNS, console=Console(stderr=True), transient=True) as bars:

        def bar(description: str) -> Progress:
            task = bars.add_task(plain(description), total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield bar
