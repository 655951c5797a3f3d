"""The command in this process: what is tested is what it does, not that Python starts."""

import contextlib
import io
import sys

import pytest

__all__ = ["npo"]


def npo(*words: str) -> tuple[int, str, str]:
    """The command with these words: exit code, standard output, standard error."""
    from npo.cli import main

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["npo", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()
