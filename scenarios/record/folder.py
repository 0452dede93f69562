"""The folder of a run: `runs/<scenario>-<seed>`, then `-2`, `-3`. Made once, never overwritten.

`run.json` says what runs there and whether it still does. It is replaced as a whole (a temporary file, then a rename),
so that a reader never sees half of it.
"""

from __future__ import annotations

import os
import stat
from io import FileIO
from itertools import count
from pathlib import Path

import msgspec

from twinstorm.scenarios.engine.errors import Unavailable

RECORD = 1
"""Version of the record's layout; grows with every change that an older reader would misread."""

RUN_FILE = "run.json"
DATABASE = "run.db"
SCENARIO = "scenario.storm.yaml"
TRACE = "trace.txt"


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: all that is known of a run before it has ended.

    Attributes:
        state: running, finished, or interrupted (by a person, a bug or a kill).
        pid, host, born: the process that writes the record; `born` tells it from a later process with the same number.
        protocol: number of `scenarios.protocol`, for `attach`.
        started_at: wall time of the start, RFC 3339; orders runs, never an input of one.
        stopped: why the run has no result, or what made it end early if no person did; empty otherwise.
    """

    record: int = RECORD
    run: str
    """Identity of the run in a database that several share."""
    state: str
    scenario: str
    seed: int
    version: str
    protocol: int
    clock: str
    devices: int
    story: str
    duration_s: float
    warm_up_s: float
    pid: int
    host: str
    born: str
    started_at: str
    repeat: str
    project: str = ""
    labels: dict[str, str] = {}
    stopped: str = ""


def create_folder(root: Path, scenario: str, seed: int) -> Path:
    """Make the first free folder of this scenario and seed. Two runs that start together get two folders.

    Raises:
        Unavailable: the folder cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = root / (f"{scenario}-{seed}" if number == 1 else f"{scenario}-{seed}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise no_room(root, error) from error
    raise AssertionError("count() does not end")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there as a whole or not at all.

    A link stays, and the file that it names is written. What is no plain file (a pipe, a terminal), or is where this
    process writes anyway, cannot be replaced: it gets the content as it is.

    Raises:
        Unavailable: disk full or folder not writable; nothing is left behind, an older file stays as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    if not _can_be_replaced(path):
        try:
            with path.open("ab", buffering=0) as stream:
                _write_all(stream, data)
        except OSError as error:
            raise no_room(path, error) from error
        return
    path = Path(os.path.realpath(path))
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise no_room(path, error) from error
    finally:
        draft.unlink(missing_ok=True)


def _can_be_replaced(path: Path) -> bool:
    """A plain file, or none yet, and not our own output under another name, as `/dev/stdout` is."""
    try:
        found = path.stat()
    except OSError:
        return True  # Nothing there, or out of reach: writing says which.
    return stat.S_ISREG(found.st_mode) and not any(_is_ours(found, number) for number in (1, 2))


def _is_ours(found: os.stat_result, descriptor: int) -> bool:
    try:
        return os.path.samestat(found, os.fstat(descriptor))
    except OSError:
        return False  # Closed.


def _write_all(stream: FileIO, data: bytes) -> None:
    """A pipe may take less than it is given."""
    left = memoryview(data)
    while left:
        left = left[stream.write(left) :]


def write_run_file(folder: Path, run_file: RunFile) -> None:
    """Replace `run.json`.

    Raises:
        Unavailable: see `write_whole`.
    """
    write_whole(folder / RUN_FILE, msgspec.json.format(msgspec.json.encode(run_file), indent=2) + b"\n")


def read_run_file(folder: Path) -> RunFile:
    """Read `run.json`.

    Raises:
        OSError: it is not there or not readable.
        msgspec.MsgspecError: it is not what this version writes.
    """
    return msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=RunFile)


def no_room(path: Path, error: OSError) -> Unavailable:
    """The system refused to write a file, and what a person can do about it."""
    return Unavailable(str(path), error.strerror or str(error), "Free some space, or choose another folder.")
