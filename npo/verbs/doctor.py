"""npo doctor: what this machine has, what is missing, and whether another distribution shadows one of our packages."""

import os
import platform
import re
import sys
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["dependencies", "examine", "precisions", "shadowed"]

DISTRIBUTION = "npo-playground"
PACKAGES = ("records", "theory", "synthetic", "scale", "figures", "npo")
CORE, NEEDED = "", ("", "scale")  # the extras without which the main job does not run; "" is no extra
DTYPES = ("float64", "float32", "bfloat16", "float16")


def shadowed(root: Path | None = None) -> list[str]:
    """Our package names that Python finds somewhere else: the names are short, and another wheel may use one."""
    home = root or Path(__file__).resolve().parents[2]
    found = []
    for name in PACKAGES:
        spec = util.find_spec(name)
        where = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if where != home / name:
            found.append(
                f"{name} is found at {where}, not at {home / name}: uninstall the distribution that brings it."
            )
    return found


def dependencies() -> dict[str, list[str]]:
    """Each distribution that ours asks for, with the extras that ask for it ("" for what is always needed)."""
    found: dict[str, list[str]] = {}
    for text in metadata.requires(DISTRIBUTION) or []:
        name = re.match(r"[\w.-]+", text)
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", text)
        if name:
            found.setdefault(name.group(), []).append(extra.group(1) if extra else CORE)
    return found


def precisions(device: str) -> list[str]:
    """The dtypes in which the device really multiplies two matrices."""
    torch = import_module("torch")
    return [name for name in DTYPES if _multiplies(torch, device, getattr(torch, name))]


def _multiplies(torch: Any, device: str, dtype: Any) -> bool:
    try:
        ones = torch.ones(2, 2, dtype=dtype, device=device)
        return bool(((ones @ ones) == 2).all())
    except (RuntimeError, TypeError, NotImplementedError):
        return False


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[tuple[str, str]]:
    torch = import_module("torch")
    rows = [("CPU", f"{platform.machine()}, {torch.get_num_threads()} thread(s); {_listed('cpu')}")]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        rows.append((f"GPU {index}", f"{torch.cuda.get_device_name(index)}; {_listed(f'cuda:{index}')}"))
    if torch.backends.mps.is_available():
        rows.append(("GPU", f"Apple; {_listed('mps')}"))
    return rows if len(rows) > 1 else [*rows, ("GPU", "none that torch can use")]


def _listed(device: str) -> str:
    return ", ".join(precisions(device)) or "no matrix product works"


def examine() -> int:
    """Print the examination; 0 if the main job can run, else 1."""
    console = Console()
    table = Table("what", "found", title="npo doctor", title_justify="left")
    table.add_row("python", f"{platform.python_version()} ({sys.executable})")
    table.add_row(DISTRIBUTION, _version(DISTRIBUTION) or "MISSING")
    problems, missing = shadowed(), dict[str, list[str]]()
    if _version(DISTRIBUTION) is None:
        problems.append(f"{DISTRIBUTION} is not installed, so what it needs is not known: pip install -e .")
        asked: dict[str, list[str]] = {"torch": [CORE]}
    else:
        asked = dependencies()
    for name, extras in asked.items():
        version = _version(name)
        label = ", ".join(filter(None, extras))
        table.add_row(f"{name}  [{label}]" if label else name, version or ("MISSING" if CORE in extras else "absent"))
        if version is None:
            missing.setdefault(extras[0], []).append(name)
    if "torch" not in missing.get(CORE, []):
        try:
            for what, found in _devices():
                table.add_row(what, found)
        except Exception as error:  # a wheel of another machine, a library that is missing, a driver
            first = (str(error).splitlines() or [""])[0]
            problems.append(f"torch can't be used ({type(error).__name__}: {first}): install it anew.")
    data = os.environ.get("NPO_DATA", "")
    if data and not os.path.isdir(os.path.expanduser(data)):  # pathlib raises where there is no such user
        problems.append(f"NPO_DATA names {data}, which is no folder: unset it, or name another.")
    console.print(table, markup=False)
    problems += [f"{name} is missing: install the project again." for name in missing.get(CORE, [])]
    for extra, names in missing.items():
        if extra != CORE:
            console.print(f"Absent: {', '.join(names)}. For it: pip install -e '.[{extra}]'", markup=False)
    for problem in problems:
        console.print(f"Problem: {problem}", markup=False, style="red")
    return int(bool(problems) or any(extra in missing for extra in NEEDED))
