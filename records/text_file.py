"""A user's text file, read whole; what it is instead where it is no text."""

import stat
from pathlib import Path

from records.errors import UserError

__all__ = ["LARGEST", "POINTER", "read_text"]

LARGEST = 2**30
"""Bytes of the largest file that is read whole."""

POINTER = b"version https://git-lfs"
"""How a file begins that stands for another one, which Git LFS has not brought."""

_BEGINNINGS = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\x03\x04": "a zip archive (or an Excel or Word file)",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"(\xb5/\xfd": "a zstd archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"%PDF": "a PDF",
    b"{\\rtf": "an RTF document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"\x7fELF": "a program",
    b"GGUF": "a model in GGUF",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    POINTER: "a pointer of Git LFS, not the file itself (git lfs pull gets that)",
}
_MARK = b"\xef\xbb\xbf"  # UTF-8's byte-order mark, which some editors write
_KINDS = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))


def read_text(path: Path, advice: str) -> str:
    """The text of a file, its lines ended by a newline each, no byte-order mark; UserError where it has none.

    `advice` ends the message: what to do. Pipes and devices are refused: they may have no end.
    """
    content = _bytes(path, advice)
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            raise UserError(f"{path} is {kind}. {advice}")
    if content[257:262] == b"ustar":
        raise UserError(f"{path} is a tar archive. {advice}")
    if (zero := content.find(b"\0")) >= 0:
        raise UserError(f"{path} is no UTF-8 text: its byte {zero + 1} is null, as in UTF-16 or a binary. {advice}")
    try:
        text = content.removeprefix(_MARK).decode("utf8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} can't be read as UTF-8 text ({error}). {advice}") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes(path: Path, advice: str) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_it, name in _KINDS if is_it(mode)), "no file")
            raise UserError(f"{path} is {kind}, not a file. {advice}")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        where = "this folder" if path.parent == Path() else path.parent
        raise UserError(f"There is no file {path.name} in {where}. {advice}") from None
    except (OSError, ValueError) as error:  # a ValueError where the name itself can't be one
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{str(path)[:200]} can't be read ({reason}). {advice}") from None
    if len(content) > LARGEST:
        raise UserError(f"{path} is larger than {LARGEST >> 20} MiB. {advice}")
    return content
