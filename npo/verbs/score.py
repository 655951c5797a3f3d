"""npo score: evaluation logs in TOFU's format, or evaluations of open-unlearning, as JSON."""

import json
import sys
from collections.abc import Mapping
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
    from scale.evaluation.tofu_log import read_log

    unlearned, retrained = _log_in(unlearned), _log_in(retrained) if retrained else None
    if protocol is not None:
        protocol_of(protocol)  # a mistake in it is told before files are read
    theirs = {path: read_evaluation(path) for path in (unlearned, retrained) if path is not None}
    if any(theirs.values()):
        found, warnings = _of_open_unlearning(unlearned, retrained, theirs, protocol)
    elif retrained is None:
        read_log(unlearned)  # one that is none is told first
        raise UserError(f"Name the log of the retrained model too: npo score {unlearned} RETRAINED.")
    else:
        found, warnings = _of_logs(unlearned, retrained, protocol or "tofu")
    for warning in warnings:
        sys.stderr.write(f"npo: {plain(warning)}\n")
    sys.stdout.write(json.dumps(found, indent=1, allow_nan=False) + "\n")


def _log_in(path: Path) -> Path:
    """The log of a finished examination, where its folder is named."""
    return path / "log.json" if (path / "log.json").is_file() else path


def _of_logs(unlearned: Path, retrained: Path, protocol: str) -> tuple[dict[str, Any], list[str]]:
    """The scores of two logs in TOFU's format, and what is odd about them."""
    from scale.evaluation import tofu_log
    from scale.evaluation.protocols import protocol_of

    chosen = protocol_of(protocol)
    own, judge = tofu_log.read_log(unlearned), tofu_log.read_log(retrained)
    warnings = [w for log, path in ((own, unlearned), (judge, retrained)) for w in tofu_log.misfits(log, chosen, path)]
    return tofu_log.score(own, judge, chosen), [*warnings, *tofu_log.mismatches(unlearned, retrained)]


def _of_open_unlearning(
    unlearned: Path, retrained: Path | None, theirs: Mapping[Path, Any], protocol: str | None
) -> tuple[dict[str, Any], list[str]]:
    """The scores where one log or both are open-unlearning's (None for one that is not), and what is odd."""
    from scale.evaluation.open_unlearning import PROTOCOL, differing, scored
    from scale.evaluation.tofu_log import read_log

    if protocol not in (None, PROTOCOL.name):
        first = next(path for path, one in theirs.items() if one)
        raise UserError(f"{first} was examined under the protocol {PROTOCOL.name}: leave --protocol {protocol} out.")
    own, judge = theirs[unlearned], theirs.get(retrained) if retrained else None
    warnings = differing(own) if own else []
    if own and (retrained is None or not own.sets):
        told = f"{unlearned} has means alone: all is as it tells, and {retrained} is not asked."
        return scored(unlearned, own.sets, None, own.told), [told] if retrained else warnings
    assert retrained is not None
    for path, one in ((unlearned, own), (retrained, judge)):
        if one is None:
            warnings.append(f"{path} is a log of another program: was it examined under {PROTOCOL.name} too?")
    if unlearned.samefile(retrained):
        warnings.append(f"{unlearned} and {retrained} are the same file: it is scored against itself.")
    sets = [one.sets if one else read_log(path) for path, one in ((unlearned, own), (retrained, judge))]
    return scored(unlearned, sets[0], (retrained, sets[1]), own.told if own else None), warnings
