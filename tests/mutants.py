"""Hold the surviving mutants (`mutmut results` on standard input) against the explained ones of mutants.txt.

A line of mutants.txt is `function: mutants it explains (a count): why no test can notice them`.
"""

import re
import sys
from collections import Counter
from pathlib import Path

EXPLAINED = Path(__file__).with_name("mutants.txt")


def survivors(text: str) -> Counter[str]:
    """How many mutants of each function survived, timed out or met no test."""
    return Counter(re.findall(r"^\s*(\S+?)__mutmut_\d+: (?:survived|timeout|suspicious|no tests)", text, re.MULTILINE))


def explained(text: str) -> dict[str, int]:
    """How many mutants of each function the list explains."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {name: int(count) for name, count, _ in (line.split(":", 2) for line in lines)}


def main() -> int:
    """Print what is not explained; 1 if there is any."""
    found, known = survivors(sys.stdin.read()), explained(EXPLAINED.read_text(encoding="utf8"))
    open_ = {name: count for name, count in found.items() if count > known.get(name, 0)}
    for name, count in sorted(open_.items()):
        sys.stdout.write(f"{name}: {count} mutants survive, {known.get(name, 0)} are explained in {EXPLAINED.name}\n")
    sys.stdout.write(f"{sum(found.values())} surviving mutants, {len(open_)} functions with unexplained ones\n")
    return 1 if open_ else 0


if __name__ == "__main__":
    sys.exit(main())
