"""What a long command shows while it works: what is done, how far it is, how fast, and when it will end."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["COLUMNS"]


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
