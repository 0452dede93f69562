"""One thread writes the database of a record; the run only appends to a list."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, update
from sqlalchemy.exc import OperationalError

from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.record.database import open_to_write
from twinstorm.scenarios.record.tables import metadata, runs

COMMIT_EVERY_S = 0.5
"""Wall time between commits: at most this much of a run is lost when its process is killed."""

Row = Mapping[str, Any]


class Writer:
    """Takes rows from any thread and commits them at least once a second of wall time.

    What goes wrong in the thread is raised by the next `put` or `close`, so that a run with a full disk ends instead
    of going on unrecorded.
    """

    def __init__(self, path: Path, run_row: Row) -> None:
        """Make the database, its tables and the row of this run.

        Raises:
            Unavailable: the database cannot be written.
        """
        self._path = path
        self._run = run_row["run"]
        self._lock = threading.Lock()
        self._rows: dict[Table, list[Row]] = {}  # guarded by _lock
        self._closing = threading.Event()
        self._error: BaseException | None = None
        self._last: Row | None = None
        self._engine = open_to_write(path)
        try:
            with self._engine.begin() as connection:
                metadata.create_all(connection)
                connection.execute(runs.insert(), [run_row])
        except OperationalError as error:
            self._engine.dispose()
            raise self._unavailable(error) from error
        self._thread = threading.Thread(target=self._work, name="record", daemon=True)
        self._thread.start()

    def put(self, table: Table, row: Row) -> None:
        """Append a row; returns at once. `run` is filled in here.

        Raises:
            Unavailable: an earlier row could not be written.
        """
        self._raise_error()
        with self._lock:
            self._rows.setdefault(table, []).append({"run": self._run, **row})

    def close(self, last: Row) -> None:
        """Write what is left, change the run's own row to `last` in the same transaction, and leave one plain file.

        Raises:
            Unavailable: something could not be written; what had been committed is safe.
        """
        if self._closing.is_set():
            return
        self._last = last
        self._closing.set()
        self._thread.join()
        self._engine.dispose()
        self._raise_error()

    def _work(self) -> None:
        try:
            with self._engine.connect() as connection:
                while not self._closing.wait(COMMIT_EVERY_S):
                    self._commit(connection, None)
                self._commit(connection, self._last)
                self._settle(connection)
        except OperationalError as error:
            self._error = self._unavailable(error)
        except BaseException as error:
            self._error = error

    def _commit(self, connection: Connection, last: Row | None) -> None:
        with self._lock:
            rows, self._rows = self._rows, {}
        if not rows and last is None:
            return
        with connection.begin():
            for table, pending in rows.items():
                connection.execute(table.insert(), pending)
            if last is not None:
                connection.execute(update(runs).where(runs.c.run == self._run).values(**last))

    def _settle(self, connection: Connection) -> None:
        """Out of WAL mode: a finished record is one file, readable from a medium that cannot be written."""
        with suppress(OperationalError):  # Somebody reads it right now: the record is whole all the same.
            connection.exec_driver_sql("PRAGMA journal_mode=DELETE")

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _unavailable(self, error: OperationalError) -> Unavailable:
        return Unavailable(str(self._path), str(error.orig), "Free some space, or choose another folder.")
