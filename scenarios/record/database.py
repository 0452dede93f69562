"""The SQLite database of one record, through SQLAlchemy."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, NullPool, create_engine, event


def open_to_write(path: Path) -> Engine:
    """Open the database, making it if need be. WAL: readers and the one writer do not wait for each other."""
    engine = _engine(path, "rwc")

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        # Loses nothing when the process dies; the last commits, perhaps, when the machine does.
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def open_to_read(path: Path) -> Engine:
    """Open a database that is there, also while its run goes on; the first use fails if it is not."""
    return _engine(path, "ro")


def _engine(path: Path, mode: str) -> Engine:
    address = f"{path.resolve().as_uri()}?mode={mode}"
    return create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(address, uri=True),
        poolclass=NullPool,  # The default of a URL without a path is a pool for databases in memory.
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )
