"""Single files in a folder that may hold a user's own: tables, figures and pages beside whatever lies there.

They are built in a hidden folder and then moved to their places one by one. A list of what npo wrote there (`LIST`,
with the hash of each file) says which of them it may replace: a file that it did not write, or that was changed since,
stays.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath

from records.errors import UserError
from records.files import clear_drafts, draft_beside, write_json
from records.ownership import MARK, file_hash, names
from records.shown import few
from records.store import writable

__all__ = ["LIST", "check_outputs", "publish"]

LIST = ".npo-files.json"


def check_outputs(folder: Path, wanted: Iterable[str], reads: Sequence[Path] = ()) -> None:
    """UserError where one of these files is in `folder` and is not as npo wrote it, or is an input of the work."""
    known = _list(folder)
    given = {path.resolve() for path in reads}
    wanted = list(wanted)
    there = [name for name in wanted if (folder / name).exists() or (folder / name).is_symlink()]
    above = {place.as_posix() for name in wanted for place in PurePath(name).parents}
    odd = sorted(name for name in above if (folder / name).exists() and not (folder / name).is_dir())
    odd += [name for name in there if not _ours(folder / name, known.get(name, []))]
    odd += [name for name in there if name not in odd and (folder / name).resolve() in given]
    if odd:
        raise UserError(
            f"{folder} holds {few(odd)}, which would be "
            "replaced, and npo did not write it, or not as it is now, or reads it. Move it, or choose another folder "
            "with --out; nothing was changed."
        )


def publish(
    folder: Path, build: Callable[[Path], None], reads: Sequence[Path] = (), *, stale: Iterable[str] = ()
) -> None:
    """Let `build` write files into a hidden folder, then move each to its place in `folder`, replacing npo's own.

    Those named `stale` that it has not written are removed, where they are as npo wrote them before.

    UserError, and nothing is moved, where a file in the way is not npo's or is one of the inputs `reads`.
    """
    writable(folder)
    clear_drafts(folder)
    draft = draft_beside(folder / "outputs")
    draft.mkdir()
    (draft / MARK).touch()
    try:
        build(draft)
        made = names(draft)
        check_outputs(folder, made, reads)
        _move(folder, draft, made)
        _remove(folder, set(stale) - set(made))
    except OSError as error:
        raise UserError(f"Can't write into {folder}: {error.strerror or error}. Make room, or choose --out.") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _move(folder: Path, draft: Path, made: Sequence[str]) -> None:
    """The list names old and new hash while a file is being replaced, so that a kill leaves no doubt."""
    known = _list(folder)
    new = {name: [file_hash(draft / name)] for name in made}
    write_json(folder / LIST, known | {name: [*known.get(name, []), *hashes] for name, hashes in new.items()})
    for name in made:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(draft / name, folder / name)
    write_json(folder / LIST, known | new)


def _remove(folder: Path, names: Iterable[str]) -> None:
    known = _list(folder)
    gone = [name for name in names if _ours(folder / name, known.get(name, []))]
    for name in gone:
        (folder / name).unlink()
    if gone:
        write_json(folder / LIST, {name: hashes for name, hashes in known.items() if name not in gone})


def _ours(path: Path, hashes: Sequence[str]) -> bool:
    return path.is_file() and not path.is_symlink() and bool(hashes) and file_hash(path) in hashes


def _list(folder: Path) -> dict[str, list[str]]:
    """What npo wrote into a folder, by name; nothing where the list is absent or spoilt."""
    try:
        found = json.loads((folder / LIST).read_text(encoding="utf8"))
        return {str(name): [str(x) for x in hashes] for name, hashes in found.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return {}
