"""`--events`: every event of a run as one line of JSON, written the moment it happens."""

from __future__ import annotations

import errno
from typing import BinaryIO

import msgspec

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult


class EventLines:
    """A `Sink` that writes to a binary stream, which it does not close: standard output outlives a run.

    Whole lines only: each is written and flushed at once. A reader that has gone shows as `BrokenPipeError`.
    """

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """`name`: the file as the user wrote it, for messages."""
        self._stream = stream
        self._name = name

    def event(self, row: EventRow) -> None:
        """Write one line.

        Raises:
            BrokenPipeError: nobody reads any more.
            Unavailable: the line could not be written.
        """
        try:
            self._stream.write(msgspec.json.encode(row) + b"\n")
            self._stream.flush()
        except BrokenPipeError as error:
            raise BrokenPipeError(error.errno, error.strerror, self._name) from error
        except OSError as error:
            hint = "Free some space." if error.errno == errno.ENOSPC else "Choose another file."
            raise Unavailable(self._name, error.strerror or str(error), hint) from error

    def pane(self, row: PaneRow) -> None:
        """Panes are for the record: one line a simulated second would drown the events."""

    def close(self, result: RunResult | None, why: str = "") -> None:
        """The last event has been written already."""
