"""A benchmark in pieces: they are chosen by name, and those that come whole say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinstorm.tui.cli.bench import measured
from twinstorm.tui.cli.command import UsageError

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_pieces_are_known_by_name() -> None:
    with pytest.raises(UsageError, match="no piece `brokr`") as error:
        next(measured(FOLDER, "wire", ("brokr",)))
    assert "broker, filters" in error.value.hint


@pytest.mark.parametrize(("pieces", "quick"), [(("storm",), False), ((), True)])
def test_a_benchmark_in_one_piece_takes_neither(pieces: tuple[str, ...], quick: bool) -> None:
    with pytest.raises(UsageError, match="one piece"):
        next(measured(FOLDER, "start", pieces, quick))


def test_a_piece_is_measured_beside_its_peer() -> None:
    found = list(measured(FOLDER, "wire", ("broker",), True))
    assert [each.peer for each in found] == ["amqtt as shipped"] * 2
    assert all(each.value > 0 and each.peer_value and each.met is not None for each in found)
