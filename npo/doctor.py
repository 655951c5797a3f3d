"""What this machine has, what is missing, and whether another distribution shadows one of our packages."""

import platform
import sys
from importlib import import_module, metadata, util
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["examine", "shadowed"]

PACKAGES = ("records", "theory", "synthetic", "scale", "figures", "npo")
CORE = ("torch", "numpy", "scipy", "matplotlib")
OPTIONAL = {
    "transformers": "scale",
    "tokenizers": "scale",
    "accelerate": "scale",
    "numba": "fast",
    "jupyter": "notebooks",
    "ipywidgets": "notebooks",
}


def shadowed(root: Path | None = None) -> list[str]:
    """Our package names that Python finds somewhere else: the names are short, and another wheel may use one."""
    home = root or Path(__file__).resolve().parent.parent
    found = []
    for name in PACKAGES:
        spec = util.find_spec(name)
        where = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if where != home / name:
            found.append(
                f"{name} is found at {where}, not at {home / name}: uninstall the distribution that brings it."
            )
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[tuple[str, str]]:
    torch = import_module("torch")
    rows = [("CPU", f"{platform.machine()}, {torch.get_num_threads()} threads, float64 and float32")]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            bf16 = "bfloat16" if torch.cuda.is_bf16_supported() else "no bfloat16"
            rows.append((f"GPU {index}", f"{torch.cuda.get_device_name(index)}, {bf16}"))
    else:
        rows.append(("GPU", "none that torch can use"))
    return rows


def examine() -> int:
    """Print the examination; 0 if the main job can run, else 1."""
    console = Console()
    table = Table("what", "found", title="npo doctor", title_justify="left")
    table.add_row("python", f"{platform.python_version()} ({sys.executable})")
    table.add_row("npo-playground", _version("npo-playground") or "not installed")
    problems = shadowed()
    for name in CORE:
        table.add_row(name, _version(name) or "MISSING")
        if _version(name) is None:
            problems.append(f"{name} is missing: install the project again.")
    missing: dict[str, list[str]] = {}
    for name, extra in OPTIONAL.items():
        table.add_row(f"{name}  [{extra}]", _version(name) or "absent")
        if _version(name) is None:
            missing.setdefault(extra, []).append(name)
    for what, found in _devices():
        table.add_row(what, found)
    console.print(table, markup=False)
    for extra, names in missing.items():
        console.print(f"Absent: {', '.join(names)}. For it: pip install -e '.[{extra}]'", markup=False)
    for problem in problems:
        console.print(f"Problem: {problem}", markup=False, style="red")
    if "scale" in missing:
        problems.append("scale")
    return 1 if problems else 0
