"""`twinstorm detect`: scores of a table, a line a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

Command = Callable[..., Ran]


@pytest.fixture
def pump(tmp_path: Path) -> Path:
    """200 rows of two channels; the last but one has a flow that no pump has."""
    rows = [f"2026-01-01 00:{row // 60:02}:{row % 60:02},{10 + row % 7 / 10},{3 + row % 5 / 10}" for row in range(200)]
    rows[198] = "2026-01-01 00:03:18,99,3.2"
    path = tmp_path / "pump.csv"
    path.write_text("\n".join(["timestamp,flow,pressure", *rows]) + "\n")
    return path


def test_every_row_has_a_score_and_the_wrong_one_an_alarm(command: Command, pump: Path) -> None:
    ran = command("detect", str(pump), "--detector", "robust-z")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == "timestamp,score,alarm,channel"
    assert len(lines) == 201
    assert lines[1] == "2026-01-01 00:00:00,,0,"
    alarms = [line for line in lines[1:] if line.split(",")[2] == "1"]
    assert [(line.split(",")[0], line.split(",")[3]) for line in alarms] == [("2026-01-01 00:03:18", "flow")]
    assert "200 rows of 2 channels by `robust-z`: 1 alarms" in ran.err


def test_rows_to_learn_from_are_not_scored(command: Command, pump: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    options = ("--channels", "flow", "--train", "60", "--detector", "iqr", "--out", str(out))
    ran = command("detect", str(pump), *options)
    assert (ran.code, ran.out) == (0, "")
    lines = out.read_text().splitlines()
    assert lines[0] == "timestamp,score,alarm"
    assert all(line.endswith(",,0") for line in lines[1:61])
    assert not any(line.endswith(",,0") for line in lines[61:])


def test_a_row_gets_the_score_that_it_had_before_the_next_one_came(command: Command, pump: Path) -> None:
    whole = command("detect", str(pump)).out.splitlines()
    pump.write_text("\n".join(pump.read_text().splitlines()[:150]) + "\n")
    assert command("detect", str(pump)).out.splitlines() == whole[:150]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--detector", "cusm"), "unknown detector `cusm`; allowed: adwin, autoencoder, band"),
        (("--detector", "fleet-relative"), "compares columns with each other, at least 5; there are 2"),
        (("--set", "limit"), "--set wants KEY=VALUE, not `limit`"),
        (("--set", "limit=5"), "detector `context` has no setting `limit`"),
        (("--channels", "flw"), "there is no column `flw`; columns: timestamp, flow, pressure"),
        (("--sep", "ab"), "--sep is one character"),
        (("--sep", ";"), "no column holds numbers"),
    ],
)
def test_what_is_wrong_ends_it_with_2(options: tuple[str, ...], said: str, command: Command, pump: Path) -> None:
    ran = command("detect", str(pump), *options)
    assert ran.code == 2
    assert said in ran.err


def test_a_file_that_is_not_there_or_no_text(command: Command, tmp_path: Path) -> None:
    ran = command("detect", str(tmp_path / "none.csv"))
    assert (ran.code, "No such file" in ran.err) == (2, True)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00,\x01\n" * 5)
    assert command("detect", str(binary)).code == 2
