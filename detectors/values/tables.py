"""Tables of readings in text files: a row an instant, a column a channel.

Reads a line at a time, so that a table may be longer than memory, or still being written.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from twinstorm.detectors.values.contract import Reals
from twinstorm.twin.flow import SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_TIME_NAMES = ("timestamp", "time", "datetime", "date", "ts", "at")


MOST = 1e100
"""A number further from 0 is none: its squares, and what is divided by them, would fit no float64."""


class TableError(ValueError):
    """What is wrong with a table, where, and what would do."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a table is written.

    Attributes:
        separator: between cells, one character.
        decimal: between whole numbers and their parts, a dot or a comma. With a comma, dots part thousands: `1.234,5`.
        time_format: of times, as `datetime.strptime` takes it; "": ISO 8601, or seconds since 1970.
    """

    separator: str = ","
    decimal: str = "."
    time_format: str = ""

    def __post_init__(self) -> None:
        """
        Raises:
            TableError: one of them cannot be.
        """
        if len(self.separator) != 1:
            raise TableError(f"a separator is one character, not `{self.separator}`")
        if self.decimal not in (".", ","):
            raise TableError(f"numbers have a decimal `.` or `,`, not `{self.decimal}`")
        if self.decimal == self.separator:
            raise TableError(f"`{self.decimal}` cannot stand both between cells and in numbers")
        if self.time_format:
            try:
                datetime.strptime(_EPOCH.strftime(self.time_format), self.time_format)  # noqa: DTZ007
            except (ValueError, re.error) as error:
                raise TableError(f"`{self.time_format}` is no format of times: {error}") from None
            if "%" not in self.time_format:
                raise TableError(f"`{self.time_format}` is no format of times: it holds no `%d` or the like")

    def number(self, cell: str) -> float:
        """What a cell holds. Raises ValueError if it is no number."""
        if self.decimal == ".":
            return float(cell)
        text = cell.strip()
        if "." in text:
            whole, comma, part = text.partition(",")
            if "." in part or _THOUSANDS.fullmatch(whole) is None:
                raise ValueError(cell)
            text = whole.replace(".", "") + comma + part
        return float(text.replace(",", "."))

    def instant_us(self, text: str) -> int | None:
        """Microseconds since 1970 of a time as it stands there, universal time unless it says otherwise; None: it is
        none."""
        if not self.time_format:
            return instant_us(text.replace(",", ".") if self.decimal == "," else text)
        try:
            return _since_1970_us(datetime.strptime(text.strip(), self.time_format))  # noqa: DTZ007
        except ValueError:
            return None

    @property
    def wanted_times(self) -> str:
        """What times there are, for people."""
        if self.time_format:
            return f"as `{self.time_format}` writes them, such as {_EPOCH.strftime(self.time_format)}"
        return (
            "2026-01-31 23:59:59 with or without zone, or seconds since 1970; others by --time-format '%d.%m.%Y %H:%M'"
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        stamp: its time as it stands in the file; the number of the row, from 1, if there is no such column.
        at_us: the same, microseconds since 1970; one a second if there is none.
        values: float64 (channels,), NaN where a cell is empty, no finite number or one beyond `MOST`.
    """

    stamp: str
    at_us: int
    values: Reals


@dataclass
class Table:
    """Rows of a table with a header.

    Attributes:
        channels: names of the columns with values.
        time: name of the column with times; "": there is none.
        unreadable: cells so far that held something else than a number, or one beyond `MOST`.
    """

    lines: Iterable[str]
    manner: Manner = field(default_factory=Manner)
    time: str = ""
    wanted: Sequence[str] = ()
    channels: tuple[str, ...] = ()
    unreadable: int = 0
    _cells: Iterator[list[str]] = field(init=False)
    _waiting: list[list[str]] = field(init=False, default_factory=list)
    _places: tuple[int, ...] = field(init=False, default=())
    _time_place: int | None = field(init=False, default=None)
    _columns: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """
        Raises:
            TableError: no header, no such column, no column with numbers.
        """
        self._cells = csv.reader(self.lines, delimiter=self.manner.separator)
        header = next(self._cells, None)
        if not header:
            raise TableError("there is no header: the first line names the columns")
        names = [name.strip().removeprefix("\ufeff") for name in header]
        self._columns = len(names)
        first = next(self._cells, None)
        self._waiting = [] if first is None else [first]
        self._time_place = self._place_of_time(names)
        if self._time_place is None and self.manner.time_format:
            raise TableError(f"which column holds the times? name it by --time; columns: {', '.join(names)}")
        self.time = "" if self._time_place is None else names[self._time_place]
        self.channels = tuple(self.wanted) or tuple(self._numeric(names, first))
        for name in self.channels:
            _known(name, names)
            if self.wanted.count(name) > 1:
                raise TableError(f"column `{name}` is named {self.wanted.count(name)} times: each is looked at once")
            if names.count(name) > 1:
                raise TableError(f"{names.count(name)} columns of the header are called `{name}`: rename them")
        self._places = tuple(names.index(name) for name in self.channels)
        if not self.channels:
            has_commas = self.manner.decimal == "." and any(_COMMA.fullmatch(cell.strip()) for cell in first or ())
            why = "numbers with a comma are read by --decimal ," if has_commas else "is the separator right?"
            raise TableError(f"no column holds numbers; columns: {', '.join(names)} ({why})")

    def rows(self) -> Iterator[Row]:
        """One after the other.

        Raises:
            TableError: a row of another width, or a time that cannot be read.
        """
        for number, cells in enumerate(self._all(), 1):
            if len(cells) != self._columns:
                raise TableError(f"row {number} has {len(cells)} cells, the header {self._columns}")
            values = np.array([self._number(cells[place]) for place in self._places])
            if self._time_place is None:
                yield Row(str(number), number * SECOND_US, values)
                continue
            stamp = cells[self._time_place]
            at_us = self.manner.instant_us(stamp)
            if at_us is None:
                raise TableError(
                    f"row {number}: `{stamp}` in column `{self.time}` is no time; wanted: {self.manner.wanted_times}"
                )
            yield Row(stamp, at_us, values)

    def _all(self) -> Iterator[list[str]]:
        yield from self._waiting
        # An empty line at the end of a file is no row.
        yield from (cells for cells in self._cells if cells)

    def _number(self, cell: str) -> float:
        try:
            value = self.manner.number(cell)
        except ValueError:
            self.unreadable += bool(cell.strip())
            return math.nan
        if not math.isfinite(value):
            return math.nan
        if abs(value) > MOST:
            self.unreadable += 1
            return math.nan
        return value

    def _place_of_time(self, names: list[str]) -> int | None:
        if self.time:
            return _known(self.time, names)
        for place, name in enumerate(names):
            if name.lower() in _TIME_NAMES and name not in self.wanted:
                return place
        return None

    def _numeric(self, names: list[str], first: list[str] | None) -> Iterator[str]:
        """Columns whose first cell is a number, or empty."""
        for place, name in enumerate(names):
            cell = first[place].strip() if first is not None and place < len(first) else ""
            if not name and names.count(name) > 1:
                continue  # spreadsheets write separators behind the last column
            if place != self._time_place and (not cell or _is_number(cell, self.manner)):
                yield name


def instant_us(text: str) -> int | None:
    """Microseconds since 1970 of a time as text: ISO 8601, universal time unless it says otherwise, or seconds since
    1970; None: it is neither."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return _seconds_us(text)
    return _since_1970_us(at)


def _since_1970_us(at: datetime) -> int:
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return (at - _EPOCH) // timedelta(microseconds=1)


def _seconds_us(text: str) -> int | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    # Beyond the year 9999 it is not seconds that it counts.
    return round(seconds * SECOND_US) if abs(seconds) < 253_402_300_800 else None


def _is_number(cell: str, manner: Manner) -> bool:
    try:
        manner.number(cell)
    except ValueError:
        return False
    return True


def _known(name: str, names: list[str]) -> int:
    if name not in names:
        raise TableError(f"there is no column `{name}`; columns: {', '.join(names)}")
    return names.index(name)
