"""`twinstorm spectrum` on records of `twinstorm waveform`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

Command = Callable[..., Ran]

BEARING = ("--bearing", "8,17.462,72.5", "--rate", "25600", "--shaft", "24.88")


@pytest.fixture
def record(command: Command, tmp_path: Path) -> str:
    """Of a motor whose outer ring is broken."""
    done = command("waveform", "--failure", "bearing-spall", "--severity", "50%", "--csv", "--samples", "51200")
    path = tmp_path / "motor.csv"
    path.write_text(done.out)
    return str(path)


def test_it_names_the_part_on_which_the_damage_grows(command: Command, record: str) -> None:
    done = command("spectrum", record, "--column", "acceleration_m_s2", *BEARING)
    assert done.code == 0, done.err
    assert done.out.startswith("broken: outer ring\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (BEARING, "name one: --column acceleration_m_s2"),
        (("--column", "acceleration_m_s2", *BEARING[2:]), "which bearing is it?"),
        (("--column", "acceleration_m_s2", "--bearing", "8,17", *BEARING[2:]), "3 numbers above 0"),
        (("--column", "acceleration_m_s2", "--bearing", "2,17,72", *BEARING[2:]), "3 rollers or more"),
    ],
)
def test_what_is_missing_is_told(options: tuple[str, ...], said: str, command: Command, record: str) -> None:
    done = command("spectrum", record, *options)
    assert done.code == 2
    assert said in done.err
