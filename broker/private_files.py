"""Files that nobody else may read, and folders that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o644
FOLDER = 0o700


def write_private(path: Path, data: bytes, mode: int = PRIVATE, *, lasting: bool = True) -> None:
    """Make a new file with these rights from its first byte on.

    Args:
        lasting: bring it to the disk, so that it outlives a power failure.

    Raises:
        FileExistsError: something is there already, be it a link that leads nowhere.
        OSError: it cannot be written; nothing is left.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace_whole(path: Path, data: bytes, mode: int = PRIVATE, *, lasting: bool = True) -> None:
    """Put this content in the place of a file, at once. One writer at a time: see `only_one`.

    Args:
        lasting: as for `write_private`.

    Raises:
        OSError: it cannot be written; the older file stays as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)  # of a process that was killed and had our number
    write_private(draft, data, mode, lasting=lasting)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def make_folder(path: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    """Make a folder that only its owner may enter, with all its files at once; folders above it are made as needed.

    Args:
        files: name to content and rights.

    Raises:
        FileExistsError: there is such a folder, and it is not empty, or a file of that name.
        OSError: it cannot be written; nothing is left but folders above it.
    """
    for above in reversed(path.parents):
        if not above.is_dir():  # `parents=True` would let others in
            above.mkdir(mode=FOLDER, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=FOLDER)
    try:
        for name, (data, mode) in files.items():
            write_private(draft / name, data, mode)
        if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
            raise FileExistsError(17, "File exists", str(path))
        draft.rename(path)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def others_may_read(path: Path) -> bool:
    """May anybody but its owner read it? Always false where the system has no such rights.

    Raises:
        OSError: it is not there.
    """
    mode = path.stat().st_mode
    return os.name == "posix" and bool(stat.S_IMODE(mode) & 0o077)


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep every other process out that asks the same, until the block ends; ends with the process, however it dies.

    Raises:
        OSError: the folder cannot be written to.
    """
    try:
        import fcntl
    except ImportError:  # no such locks here
        yield
        return
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
