"""Malformed arrays of a logistic problem and forget losses of one's own, wherever a verb takes one."""

import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from malformed import Case, Content, check, copied, params

# --- arrays of a logistic problem -----------------------------------------------------------------------------------


def _arrays(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, Path], None]:
    def make(place: Path, prepared: Path) -> None:
        with np.load(prepared / "problem.npz") as found:
            arrays = {name: found[name] for name in found.files}
        change(arrays)
        np.savez(place, **arrays)

    return make


def _set(name: str, value: Callable[[Any], Any]) -> Callable[[Path, Path], None]:
    return _arrays(lambda arrays: arrays.update({name: value(arrays[name])}))


def _set_nan(x: Any) -> Any:
    x = x.astype(float).copy()
    x.flat[0] = np.nan
    return x


def _claims(place: Path, prepared: Path) -> None:
    """An archive whose W says that it has 10¹² rows."""
    with zipfile.ZipFile(prepared / "problem.npz") as old, zipfile.ZipFile(place, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "W.npy":
                header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 12), }"
                header += b" " * (118 - len(header) - 1) + b"\n"
                content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 80
            new.writestr(name, content)


def _cut_npz(place: Path, prepared: Path) -> None:
    content = (prepared / "problem.npz").read_bytes()
    place.write_bytes(content[: len(content) // 2])


def _npy(place: Path, prepared: Path) -> None:
    with open(place, "wb") as file:
        np.save(file, np.ones((3, 3)))


PROBLEMS: dict[str, tuple[Content, str]] = {
    "empty": (b"", ""),
    "text": ("x", ""),
    "half": (_cut_npz, ""),
    "one array": (_npy, ""),
    "a folder": (None, ""),
    "a claim of terabytes": (_claims, "p.npz"),
    "no W": (_arrays(lambda a: a.pop("W")), "W"),
    "an extra array": (_arrays(lambda a: a.update(Z=a["W"])), "Z"),
    "objects": (_set("W", lambda x: np.array([None, {}], dtype=object)), ""),
    "complex": (_set("W", lambda x: x.astype(complex)), "W"),
    "dates": (_set("y_forget", lambda x: x.astype(int).astype("datetime64[D]")), "y_forget"),
    "texts": (_set("y_forget", lambda x: x.astype(str)), "y_forget"),
    "NaN": (_set("X_retain", _set_nan), "X_retain"),
    "infinite": (_set("X_eval_forget", lambda x: x * np.inf), "X_eval_forget"),
    "three dimensions": (_set("X_forget", lambda x: x[None]), "X_forget"),
    "a number": (_set("W", lambda x: x.sum()), "W"),
    "no rows": (_set("X_forget", lambda x: x[:0]), "X_forget"),
    "fewer labels": (_set("y_forget", lambda x: x[:-1]), "y_forget"),
    "labels of 0 to 1": (_set("y_forget", lambda x: x * 0 + 0.5), "y_forget"),
    "labels of 7": (_set("y_retain", lambda x: x * 7), "y_retain"),
    "other columns": (_set("X_retain", lambda x: x[:, :-1]), "X_retain"),
    "W turned round": (_set("W", lambda x: x.T), "W"),
}


def _problems() -> Iterator[Case]:
    for name, (content, says) in PROBLEMS.items():
        words = "synthetic logistic --problem p.npz --quick --methods GA --steps 2 --out o"
        yield Case(f"problem: {name}", words, says or "p.npz", {"p.npz": content})


# --- a loss of one's own --------------------------------------------------------------------------------------------

HEADER = "import torch\n"
LOSSES: dict[str, tuple[Content, str]] = {
    "no Python": ("def f(:", "SyntaxError"),
    "binary": (bytes(range(256)), "mine.py"),
    "NUL": ("x = 1\0", "mine.py"),
    "empty": ("", "no function f"),
    "a folder": (None, "mine.py"),
    "an import of nothing": ("import nonesuch", "nonesuch"),
    "an end when loaded": ("import sys; sys.exit(0)", "SystemExit"),
    "an end when called": (f"{HEADER}import sys\ndef f(logp): sys.exit(0)", "SystemExit"),
    "an end without a word": ("import os\ndef f(logp): raise BaseException('off')", "off"),
    "no function": ("f = 3", "no function f"),
    "a class": (f"{HEADER}class f: pass", "mine.py"),
    "recursion": (f"{HEADER}def f(logp): return f(logp)", "RecursionError"),
    "None": (f"{HEADER}def f(logp): return None", "NoneType"),
    "a list": (f"{HEADER}def f(logp): return list(logp)", "list"),
    "integers": (f"{HEADER}def f(logp): return logp.long()", "mine.py"),
    "complex": (f"{HEADER}def f(logp): return logp.to(torch.complex64)", "mine.py"),
    "a generator": (f"{HEADER}def f(logp): yield logp", "generator"),
    "a coroutine": (f"{HEADER}async def f(logp): return logp", "mine.py"),
    "another shape later": (
        f"{HEADER}n = []\ndef f(logp):\n    n.append(1)\n    return logp if len(n) < 3 else logp.mean()",
        "shape",
    ),
    "NaN later": (f"{HEADER}def f(logp): return logp * (1 if len(logp) == 3 else float('nan'))", ""),
}


def _losses() -> Iterator[Case]:
    words = (
        "synthetic logistic --quick --steps 3 --seeds 1 --out o --method mine.py:f",
        "forget rows.jsonl --model m --out o --device cpu --epochs 1 --method mine.py:f",
        "synthetic grid --seeds 1 --lrs 0.1 --steps 3 --out o --method mine.py:f",
        "run quick --out o --device cpu --unit evaluate/retrain unlearn.methods=mine.py:f",
        "synthetic transformer --quick --part methods --out o --method mine.py:f",
        "try mine.py:f --quick --out o",
    )
    for i, (name, (content, says)) in enumerate(LOSSES.items()):
        if "later" in name:
            continue
        for j, command in enumerate(words):
            files: dict[str, Content] = {"rows.jsonl": copied("rows.jsonl"), "mine.py": content, "m": copied("model")}
            verb = " ".join(command.split()[:2]).removesuffix(" rows.jsonl").removesuffix(" quick")
            yield Case(f"{verb}: a loss: {name}", command, ("mine.py", says), files, slow=j != i % 6)
    files = {"rows.jsonl": copied("rows.jsonl"), "mine.py": LOSSES["another shape later"][0], "m": copied("model")}
    yield Case("forget: a loss: another shape later", words[1], ("mine.py", "shape"), files, leaves=["o"])


CASES = [*_problems(), *_losses()]


@pytest.mark.parametrize("case", params(CASES))
@pytest.mark.usefixtures("short_fit")
def test_ones_own(case: Case, tmp_path: Path, prepared: Path) -> None:
    check(case, tmp_path, prepared)
