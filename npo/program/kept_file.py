"""A small file of results that later calls go on with: what it holds, whether their settings are its own, its commands.

Such a file has `made`, with `command`, `machine` and the settings that all its results share, and one group of results.
"""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from records.errors import UserError
from records.json_lines import read_json
from records.paths import may_write, user_path

__all__ = ["begun", "called", "gone_on"]

TOLD = ("command", "machine")
"""What tells of a file and changes no result."""


def called(program: str, words: list[str] | None = None) -> str:
    """The command that runs a program as this call did.

    >>> called("npo.runs.rounding", ["a file.json", "tofu-mini"])
    "python -m npo.runs.rounding 'a file.json' tofu-mini"
    """
    return shlex.join(["python", "-m", program, *(sys.argv[1:] if words is None else words)])


def begun(file: Path, group: str) -> dict[str, Any]:
    """What a file holds, `made` and a group of results by name, both empty where there is no file yet.

    UserError where it is another kind of file, or none can be written there.
    """
    may_write(user_path(file, "The file").parent)
    if not file.exists():
        return {"made": {}, group: {}}
    content = read_json(file, "Name a file that this program has written, or a new one.")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in ("made", group)):
        raise UserError(f"{file} has no “made” and “{group}”: this program did not write it. Name a new file.")
    return content


def gone_on(file: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """`made` of a file, from what it says already and what this call says; UserError where their settings differ.

    What an older file does not say stays unsaid, since nobody knows it of the results that are there. The command is
    those of all calls; a machine that is not named stays the one before.
    """
    if not before:
        return dict(now)
    settings = [name for name in now if name not in TOLD and name in before and now[name] != before[name]]
    if settings:
        told = [f"  {name}: {before[name]!r} there, {now[name]!r} now" for name in settings]
        advice = "Ask as it was made, or name another file: results of two settings don't stand in one."
        raise UserError("\n".join([f"{file} was made with other settings:", *told, advice]))
    commands = [one for one in str(before.get("command", "")).split("; ") if one]
    commands += [] if now["command"] in commands else [now["command"]]
    return {**before, "command": "; ".join(commands), "machine": now["machine"] or before.get("machine", "")}
