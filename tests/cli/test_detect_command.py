"""`twinstorm detect`: scores of a table, a line a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from twinstorm.detectors.values.contract import catalogue
from twinstorm.tui.cli.command import UsageError
from twinstorm.tui.cli.output import must_not_be_read

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
        (("--channels", "flow,flow"), "column `flow` is named 2 times"),
        (("--threshold", "nan"), "nan is no finite number above 0"),
        (("--threshold", "inf"), "inf is no finite number above 0"),
        (("--detector", "limit"), "`limit`: no limit is set, so it could never alarm: say `lowest`, `highest` or both"),
        (("--detector", "limit", "--set", "lowest=3", "--set", "highest=2"), "`limit`: `lowest` is 3, and `highest`"),
        (("--sep", "ab"), "--sep is one character"),
        (("--sep", ";"), "no column holds numbers"),
    ],
)
def test_what_is_wrong_ends_it_with_2(options: tuple[str, ...], said: str, command: Command, pump: Path) -> None:
    ran = command("detect", str(pump), *options)
    assert ran.code == 2
    assert said in ran.err.replace("\n  ", "; ")


def test_a_file_that_is_not_there_or_no_text(command: Command, tmp_path: Path) -> None:
    ran = command("detect", str(tmp_path / "none.csv"))
    assert (ran.code, "No such file" in ran.err) == (2, True)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00,\x01\n" * 5)
    assert command("detect", str(binary)).code == 2


SPELLINGS: dict[str, Callable[[Path], str]] = {
    "the same name": str,
    "another spelling": lambda pump: str(pump.parent / "." / ".." / pump.parent.name / pump.name),
    "a symbolic link": lambda pump: _linked(pump, Path.symlink_to),
    "a hard link": lambda pump: _linked(pump, Path.hardlink_to),
}


def _linked(pump: Path, link: Callable[[Path, Path], None]) -> str:
    other = pump.with_name("other.csv")
    link(other, pump)
    return str(other)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_scores_are_never_written_over_the_table(command: Command, pump: Path, spelling: str) -> None:
    before = pump.read_bytes()
    ran = command("detect", str(pump), "--out", SPELLINGS[spelling](pump))
    assert ran.code == 2
    assert "is the file that is read" in ran.err
    assert "name another one: --out FILE" in ran.err
    assert pump.read_bytes() == before


def test_what_standard_input_reads_is_never_written_over(pump: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pump.open() as lines:
        monkeypatch.setattr("sys.stdin", lines)
        with pytest.raises(UsageError, match="by standard input: writing would destroy it"):
            must_not_be_read(pump, "-")
        must_not_be_read(pump.with_name("scores.csv"), "-")


def test_what_is_not_finished_leaves_the_scores_of_before(
    command: Command, pump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "scores.csv"
    assert command("detect", str(pump), "--out", str(out)).code == 0
    before = out.read_bytes()
    pump.write_text(pump.read_text() + "2026-01-01 00:03:20,1\n")
    ran = command("detect", str(pump), "--detector", "band", "--out", str(out))
    assert (ran.code, "row 201 has 2 cells, the header 3" in ran.err) == (2, True)
    assert out.read_bytes() == before

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("twinstorm.detectors.values.gate.Gate.decide", interrupted)
    assert command("detect", str(pump), "--detector", "band", "--out", str(out)).code == 130
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pump.csv", "scores.csv"]


def test_scores_may_go_to_a_link_and_to_what_is_no_file(command: Command, pump: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "scores.csv")
    assert command("detect", str(pump), "--out", str(link)).code == 0
    assert link.is_symlink()
    assert (tmp_path / "scores.csv").read_text().startswith("timestamp,score,alarm,channel")
    assert command("detect", str(pump), "--out", "/dev/null").code == 0


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_numbers_at_the_end_of_what_a_float_holds_are_passed_over_and_told(
    command: Command, tmp_path: Path, name: str
) -> None:
    """A warning would be an error here."""
    cells = [[str(10 + (row * 7 + channel) % 13 / 10) for channel in range(5)] for row in range(260)]
    for row, text in {50: "1e308", 51: "-1e308", 240: "1.7e308", 55: "1e100", 56: "-1e100", 245: "9e99"}.items():
        cells[row][0] = text
    path = tmp_path / "far.csv"
    path.write_text("a,b,c,d,e\n" + "\n".join(map(",".join, cells)) + "\n")
    settings = {"limit": ("--set", "highest=50")}.get(name, ())
    ran = command("detect", str(path), "--detector", name, *settings)
    assert ran.code == 0, ran.err
    assert "3 cells held no number, or one beyond 1e+100, and were passed over" in ran.err
    assert "Warning" not in ran.err
    scores = [line.split(",")[1] for line in ran.out.splitlines()[1:]]
    assert all(math.isfinite(float(score)) for score in scores if score)


def german(table: str) -> str:
    """The same with semicolons, decimal commas and another format of times."""
    head, *rows = table.replace(",", ";").replace(".", ",").splitlines()
    return "\n".join([head.replace("timestamp", "Zeit"), *(f"01.01.2026{row[10:]}" for row in rows)]) + "\n"


def test_a_german_table_gets_the_scores_of_the_same_one_in_english(command: Command, pump: Path) -> None:
    english = command("detect", str(pump), "--detector", "band").out.splitlines()
    pump.write_text(german(pump.read_text()))
    manner = ("--time", "Zeit", "--time-format", "%d.%m.%Y %H:%M:%S")
    ran = command("detect", str(pump), "--detector", "band", "--decimal", ",", *manner)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert [line.partition(",")[2] for line in lines] == [line.partition(",")[2] for line in english]
    assert lines[1].startswith("01.01.2026 00:00:00,")
    assert "cells held no number" not in ran.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--sep", ";"), "numbers with a comma are read by --decimal ,"),
        (("--decimal", ",", "--sep", ","), "`,` is both --sep and --decimal"),
        (("--decimal", ";"), "';' is not one of '.', ','"),
        (("--decimal", ",", "--time", "Zeit"), "others by --time-format '%d.%m.%Y %H:%M'"),
        (("--decimal", ",", "--time", "Zeit", "--time-format", "%d.%m.%y"), "is no time"),
        (("--decimal", ",", "--time", "Zeit", "--time-format", "%d.%m.%Q"), "`%d.%m.%Q` is no format of times"),
        (("--decimal", ",", "--time-format", "%d.%m.%Y %H:%M:%S"), "name it by --time; columns: Zeit, flow, pressure"),
        (("--decimal", ",", "--time", "Zeti"), "there is no column `Zeti`; columns: Zeit, flow, pressure"),
    ],
)
def test_what_is_wrong_with_a_german_table_is_told(
    options: tuple[str, ...], said: str, command: Command, pump: Path
) -> None:
    pump.write_text(german(pump.read_text()))
    ran = command("detect", str(pump), *options)
    assert ran.code == 2
    assert said in ran.err.replace("\n  ", "; ")


def test_a_table_too_short_to_judge_is_not_called_calm(command: Command, pump: Path) -> None:
    ran = command("detect", str(pump), "--detector", "shewhart", "--set", "train=1000")
    assert ran.code == 0
    assert "no row was judged, so that there can be no alarm" in ran.err
    assert "no row was judged" not in command("detect", str(pump), "--detector", "robust-z").err
