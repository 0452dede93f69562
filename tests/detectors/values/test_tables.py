"""Tables as people have them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twinstorm.detectors.values.tables import Table, TableError, instant_us


def table(*lines: str, separator: str = ",", time: str = "", channels: tuple[str, ...] = ()) -> Table:
    return Table((line + "\n" for line in lines), separator, time, channels)


def test_columns_with_numbers_are_channels_and_a_usual_name_is_the_time() -> None:
    read = table("Time,flow,site,pressure", "2026-01-01 00:00:00,1.5,north,", "2026-01-01T00:00:10Z,x,north,3")
    assert (read.time, read.channels) == ("Time", ("flow", "pressure"))
    first, second = read.rows()
    assert (first.stamp, second.at_us - first.at_us) == ("2026-01-01 00:00:00", 10_000_000)
    np.testing.assert_array_equal(first.values, [1.5, np.nan])
    np.testing.assert_array_equal(second.values, [np.nan, 3.0])
    assert read.unreadable == 1


def test_without_times_rows_are_a_second_apart_and_numbered() -> None:
    rows = list(table("a;b", "1;2", "3;4", "", separator=";").rows())
    assert [(row.stamp, row.at_us) for row in rows] == [("1", 1_000_000), ("2", 2_000_000)]


def test_infinity_and_nan_are_no_values() -> None:
    (row,) = table("t,v", "1,inf", time="t").rows()
    assert np.isnan(row.values).all()


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    [
        ((), {}, "there is no header"),
        (("a,b", "x,y"), {}, "no column holds numbers; columns: a, b"),
        (("a,b", "1,2"), {"channels": ("c",)}, "no column `c`; columns: a, b"),
        (("a,b", "1,2"), {"time": "when"}, "no column `when`; columns: a, b"),
        (("a,b", "1,2", "3"), {}, "row 2 has 1 cells, the header 2"),
        (("time,b", "noon,2"), {}, "row 1: `noon` in column `time` is no time"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(lines: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(TableError, match=said):
        list(table(*lines, **options).rows())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01 00:01", 60),
        ("1970-01-01T01:00:00+01:00", 0),
        ("12.5", 12.5),
        ("", None),
        ("1e400", None),
        ("-1", -1),
    ],
)
def test_times_are_iso_or_seconds(text: str, seconds: float | None) -> None:
    assert instant_us(text) == (None if seconds is None else round(seconds * 1_000_000))
