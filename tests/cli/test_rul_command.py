"""`twinstorm rul`: remaining lives of the units of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Ran

Command = Callable[..., Ran]


def write(path: Path, lives: list[int], ends: list[int], seed: int) -> None:
    """Units that shake more and more; each row has the cycle, the noise of a sensor that knows nothing, and the wear.

    Args:
        lives: cycles of each. ends: so many of them are told.
    """
    draws = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["engine", "cycle", "vibration", "pressure"])
        for number, (life, end) in enumerate(zip(lives, ends, strict=True)):
            for cycle in range(end):
                worn = (cycle / life) ** 3 + 0.02 * draws.normal()
                writer.writerow([f"e{number}", cycle, f"{1 + worn:.5f}", f"{draws.normal():.5f}"])


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    draws = np.random.default_rng(5)
    lives = draws.integers(80, 160, 14).tolist()
    failed, running = tmp_path / "failed.csv", tmp_path / "running.csv"
    write(failed, lives, lives, 1)
    write(running, [100, 120, 150], [90, 60, 12], 2)
    return failed, running


def test_each_unit_has_a_life_with_bounds(tables: tuple[Path, Path], command: Command, tmp_path: Path) -> None:
    failed, running = map(str, tables)
    options = ("--unit", "engine", "--channels", "vibration,pressure", "--horizon", "60")
    out = tmp_path / "lives.csv"
    ran = command("rul", failed, running, *options, "--out", str(out))
    assert (ran.code, ran.out) == (0, ""), ran.err
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert [(row["unit"], row["cycles"]) for row in rows] == [("e0", "90"), ("e1", "60"), ("e2", "12")]
    for row, left in zip(rows, (10, 60, 60), strict=True):
        assert float(row["at_least"]) <= float(row["remaining"]) <= float(row["at_most"]) <= 60.0
        assert abs(float(row["remaining"]) - left) < 15
    assert "learning from 14 units" in ran.err


def test_tables_with_decimal_commas_are_read(tables: tuple[Path, Path], command: Command) -> None:
    failed, running = map(str, tables)
    options = ("--unit", "engine", "--channels", "vibration,pressure", "--horizon", "60")
    english = command("rul", failed, running, *options)
    for table in tables:
        table.write_text(table.read_text().replace(",", ";").replace(".", ","))
    ran = command("rul", failed, running, *options, "--decimal", ",")
    assert ran.code == 0, ran.err
    assert ran.out == english.out


def test_lives_are_never_written_over_a_table(tables: tuple[Path, Path], command: Command) -> None:
    failed, running = map(str, tables)
    for out in tables:
        ran = command("rul", failed, running, "--unit", "engine", "--out", str(out))
        assert (ran.code, "is the file that is read" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--unit", "engin"), "there is no column `engin` that names units columns: engine, cycle"),
        (("--unit", "engine", "--channels", "vibratoin"), "there is no column `vibratoin` of values"),
        (("--unit", "engine", "--sep", ";;"), "--sep is one character"),
    ],
)
def test_a_wrong_column_is_told(
    arguments: tuple[str, ...], said: str, tables: tuple[Path, Path], command: Command
) -> None:
    ran = command("rul", *map(str, tables), *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no column `unit`"),
        ("unit,a\n", "the table has no rows"),
        ("unit,a\nx,1\nx,nan\n", "line 3: `nan` in column `a` is no finite number"),
        ("unit,a\nx,1,2\n", "line 2 has 3 cells, the header 2"),
        ("unit,a\nx,1\n", "1 units are too few"),
        ("unit,a\nx,1\ny,2\n", "unit `x` has 1 cycles; more than 30 are needed"),
        ("unit\nx\n", "there is no column beside `unit`"),
    ],
)
def test_a_wrong_table_is_told(text: str, said: str, tmp_path: Path, command: Command) -> None:
    table = tmp_path / "wrong.csv"
    table.write_text(text)
    ran = command("rul", str(table), str(table))
    assert (ran.code, ran.out) == (2, "")
    assert said in " ".join(ran.err.split())
