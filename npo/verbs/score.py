"""npo score: evaluation logs in TOFU's format, or evaluations of open-unlearning, as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

from npo.running.recipes import scale_or_error
from records.errors import UserError
from records.plain import plain

__all__ = ["score"]


def score(unlearned: Path, retrained: Path | None, protocol: str | None) -> None:
    """Print the scores of `unlearned` against `retrained`; warnings go to standard error."""
    scale_or_error()
    from scale.evaluation.open_unlearning import read_evaluation
    from scale.evaluation.protocols import protocol_of

    if protocol is not None:
        protocol_of(protocol)  # a mistake in it is told before files are read
    theirs = read_evaluation(unlearned)
    if theirs is None:
        if retrained is None:
            raise UserError(f"Name the log of the retrained model too: npo score {unlearned} RETRAINED.")
        found, warnings = _of_logs(unlearned, retrained, protocol or "tofu")
    else:
        found, warnings = _of_open_unlearning(theirs, retrained, protocol)
    for warning in warnings:
        sys.stderr.write(f"npo: {plain(warning)}\n")
    sys.stdout.write(json.dumps(found, indent=1, allow_nan=False) + "\n")


def _of_logs(unlearned: Path, retrained: Path, protocol: str) -> tuple[dict[str, Any], list[str]]:
    """The scores of two logs in TOFU's format, and what is odd about them."""
    from scale.evaluation import tofu_log
    from scale.evaluation.protocols import protocol_of

    chosen = protocol_of(protocol)
    own, judge = tofu_log.read_log(unlearned), tofu_log.read_log(retrained)
    warnings = [w for log, path in ((own, unlearned), (judge, retrained)) for w in tofu_log.misfits(log, chosen, path)]
    return tofu_log.score(own, judge, chosen), [*warnings, *tofu_log.mismatches(unlearned, retrained)]


def _of_open_unlearning(theirs: Any, retrained: Path | None, protocol: str | None) -> tuple[dict[str, Any], list[str]]:
    """The scores of an evaluation of open-unlearning, and what is odd about it."""
    from scale.evaluation import open_unlearning, tofu_log

    own = open_unlearning.PROTOCOL.name
    if protocol not in (None, own):
        raise UserError(f"{theirs.path} was examined under the protocol {own}: leave --protocol {protocol} out.")
    if retrained is None:
        return open_unlearning.scored(theirs, None), open_unlearning.differing(theirs)
    if not theirs.sets:
        told = f"{theirs.path} has means alone: all is as it tells, and {retrained} is not asked."
        return open_unlearning.scored(theirs, None), [told]
    judge, warnings = open_unlearning.read_evaluation(retrained), open_unlearning.differing(theirs)
    if judge is None:
        warnings.append(f"{retrained} is a log of another program: were both examined under the protocol {own}?")
    sets = tofu_log.read_log(retrained) if judge is None else judge.sets
    if theirs.path.samefile(retrained):
        warnings.append(f"{theirs.path} and {retrained} are the same file: it is scored against itself.")
    return open_unlearning.scored(theirs, sets), warnings
