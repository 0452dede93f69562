"""Files that a command writes: none that it still reads, and whole ones only."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from twinstorm.tui.cli.command import UsageError


def must_not_be_read(out: Path | None, *files: str) -> None:
    """What is written must be no file that is read, by whatever name or link.

    Args:
        files: as people named them; `-` is standard input.

    Raises:
        UsageError: it is one of them.
    """
    for file in files:
        if out is not None and _is_same(out, file):
            raise UsageError(
                f"{out} is the file that is read{'' if file == str(out) else f', {_named(file)}'}: writing would "
                "destroy it",
                "name another one: --out FILE",
            )


def _named(file: str) -> str:
    return "by standard input" if file == "-" else f"as {file}"


def _is_same(out: Path, file: str) -> bool:
    # What is not there yet, and an input without a number, is nobody's double. A device may be both ends.
    with suppress(OSError, ValueError):
        read = os.fstat(sys.stdin.fileno()) if file == "-" else Path(file).stat()
        return out.is_file() and os.path.samestat(read, out.stat())
    return False


@contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """A text file that has its name once it is whole: whatever ends the work before leaves what stood there before.

    Links are followed. What is no file, such as a pipe, is written as it comes.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as sink:
            yield sink
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as sink:
            yield sink
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o777)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
