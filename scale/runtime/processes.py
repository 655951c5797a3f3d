"""The processes that run a stage together: one alone, or as many as torchrun or `accelerate launch` started.

Work is planned by all alike and split by index; what each found is put into its places of an array of zeros, and these
are summed. So every number is computed by one process, in a batch that does not depend on how many there are.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor

from records.errors import UserError

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["LAUNCH", "WASTE", "Processes", "by_length", "first_process"]

T = TypeVar("T")
LAUNCH = Path(__file__).parent / "launch"
"""Configurations for `accelerate launch --config_file`."""
WASTE = 0.1
"""The share of a batch that may be padding."""


def first_process() -> bool:
    """Is this the process that speaks and writes?"""
    return os.environ.get("RANK", "0") == "0"


@dataclass(frozen=True)
class Processes:
    """Where and how the computation runs: device ("auto", "cpu", "cuda"), precision, and where training is logged.

    Weights are float32; precision "bf16" computes the body of the model in bfloat16 (autocast), log-probabilities are
    float32 all the same.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    trackers: tuple[str, ...] = ()
    logs: Path = Path("out/logs")

    @cached_property
    def accelerator(self) -> "Accelerator":
        """The library's own handle, made once."""
        from accelerate import Accelerator
        from accelerate.tracking import get_available_trackers

        absent = set(self.trackers) - {str(name) for name in get_available_trackers()}
        if absent:
            raise UserError(f"trackers: {', '.join(sorted(absent))} is not installed: pip install it, or leave it out.")
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UserError(
                "device=cuda: there is no GPU here, or this torch is made without CUDA (npo doctor tells). "
                "Choose cpu, or auto, which takes a GPU where there is one."
            )
        mixed = "bf16" if self.precision == "bf16" else "no"
        return Accelerator(
            cpu=self._on_cpu, mixed_precision=mixed, log_with=list(self.trackers) or None, project_dir=self.logs
        )

    @property
    def _on_cpu(self) -> bool:
        return self.device == "cpu" or (self.device == "auto" and not torch.cuda.is_available())

    @property
    def leaves_room(self) -> bool:
        """Can other work go on beside this: one process, on the CPU, that tells no tracker of its steps?"""
        return self._on_cpu and not self.trackers and os.environ.get("WORLD_SIZE", "1") == "1"

    def __reduce__(self) -> tuple[type["Processes"], tuple[Any, ...]]:
        """As another process gets it: without the library's handle, which is made there anew."""
        return Processes, (self.device, self.precision, self.trackers, self.logs)

    def log(self, run: str, line: Mapping[str, Any], step: int) -> None:
        """Tell the trackers, if there are any, of one step of a run."""
        if not self.trackers:
            return
        if not self.accelerator.trackers:
            self.accelerator.init_trackers("npo")
        numbers = {f"{run}/{key}": value for key, value in line.items() if value is not None}
        self.accelerator.log(numbers, step=step)

    def train(self, *, all_of_it: bool) -> None:
        """What comes next trains all of a model, or leaves some of it without gradient: then each step looks which."""
        if self.count > 1:
            from accelerate.utils import DistributedDataParallelKwargs

            some = DistributedDataParallelKwargs(find_unused_parameters=True)
            self.accelerator.ddp_handler = None if all_of_it else some

    def room(self, tokens: int) -> int:
        """Tokens of a forward pass without gradient: as many as suit a core's cache, or more to keep a GPU at work."""
        return tokens if self.accelerator.device.type == "cpu" else 16 * tokens

    @property
    def count(self) -> int:
        """How many processes there are."""
        return int(self.accelerator.num_processes)

    @property
    def number(self) -> int:
        """Which of them this is."""
        return int(self.accelerator.process_index)

    @property
    def first(self) -> bool:
        """Is this the one that writes?"""
        return self.number == 0

    def wait(self) -> None:
        """Until all have come here."""
        self.accelerator.wait_for_everyone()

    def agreed(self, decide: Callable[[], bool]) -> bool:
        """What the first process decides, told to all."""
        return self.told(self.first and decide())

    def told(self, value: T) -> T:
        """What the first process has, told to all."""
        if self.count == 1:
            return value
        from accelerate.utils import broadcast_object_list

        (told,) = broadcast_object_list([value])
        return told

    def together(self, part: Tensor) -> Tensor:
        """The sum of what every process has."""
        if self.count == 1:
            return part
        return self.accelerator.reduce(part.to(self.accelerator.device), reduction="sum").to(part.device)

    def share(self, batches: Sequence[list[int]]) -> list[tuple[list[int], bool]]:
        """This process's batches, as many for each; True marks one that is only there to keep step."""
        if not batches:
            return []
        rounds = -(-len(batches) // self.count)
        numbers = [i * self.count + self.number for i in range(rounds)]
        return [(batches[min(i, len(batches) - 1)], i >= len(batches)) for i in numbers]


def by_length(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices in batches of similar length, none over `tokens` padded tokens (but one row at least) or `WASTE` padding.

    >>> by_length([30, 90, 31, 80], 100)
    [[0, 2], [3], [1]]
    """
    batches: list[list[int]] = []
    inside = 0
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        length = lengths[index]
        padded = (len(batches[-1]) + 1) * length if batches else 0
        if batches and padded <= tokens and padded - inside - length <= WASTE * padded:
            batches[-1].append(index)
            inside += length
        else:
            batches.append([index])
            inside = length
    return batches
