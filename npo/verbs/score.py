"""npo score: two evaluation logs in TOFU's format, as JSON."""

import json
import sys
from pathlib import Path

from npo.running.recipes import scale_or_error
from records.plain import plain

__all__ = ["score"]


def score(unlearned: Path, retrained: Path, protocol: str) -> None:
    """Print the scores of `unlearned` against `retrained`; warnings go to standard error."""
    scale_or_error()
    from scale.evaluation import tofu_log
    from scale.evaluation.protocols import protocol_of

    chosen = protocol_of(protocol)
    own, judge = tofu_log.read_log(unlearned), tofu_log.read_log(retrained)
    for log, path in ((own, unlearned), (judge, retrained)):
        for warning in tofu_log.misfits(log, chosen, path):
            sys.stderr.write(f"npo: {plain(warning)}\n")
    for warning in tofu_log.mismatches(unlearned, retrained):
        sys.stderr.write(f"npo: {plain(warning)}\n")
    sys.stdout.write(json.dumps(tofu_log.score(own, judge, chosen), indent=1, allow_nan=False) + "\n")
