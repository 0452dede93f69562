"""`twinstorm waveform`: the record of one motor, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.cli.conftest import Ran
from twinstorm.twin.physics.bearing import BALL_6309, ISO_10816_1_MM_S

Command = Callable[..., Ran]


def facts(command: Command, *options: str) -> dict[str, str]:
    ran = command("waveform", *options)
    assert ran.code == 0, ran.err
    rows = (line.partition("  ") for line in ran.out.splitlines())
    return {name: told.strip() for name, _, told in rows}


def test_it_tells_speed_and_defect_frequencies_of_the_bearing(command: Command) -> None:
    told = {name: text.split()[0] for name, text in facts(command).items()}
    turns_per_s = float(told["shaft"])
    assert 24.0 < turns_per_s < 25.0
    assert float(told["outer ring"]) == pytest.approx(BALL_6309.outer * turns_per_s, abs=0.02)
    assert float(told["inner ring"]) == pytest.approx(BALL_6309.inner * turns_per_s, abs=0.03)
    assert float(told["cage"]) == pytest.approx(BALL_6309.cage * turns_per_s, abs=0.01)


@pytest.mark.parametrize(
    ("options", "zone"),
    [
        ((), "A"),
        (("--failure", "bearing-spall", "--severity", "50%", "--seed", "3"), "C"),
        (("--failure", "imbalance"), "D"),
    ],
)
def test_it_tells_the_zone_of_the_worst_axis(options: tuple[str, ...], zone: str, command: Command) -> None:
    told = facts(command, *options)
    worst = max(float(axis.split()[1]) for axis in told["velocity"].split(","))
    assert told["zone"].startswith(f"{zone} (ISO 10816-1, class II")
    assert "ABCD"[sum(worst > limit for limit in ISO_10816_1_MM_S["II"])] == zone


def test_a_spall_knocks_at_the_rate_of_its_ring(command: Command) -> None:
    options = ("--failure", "bearing-spall", "--seed", "3")
    told = facts(command, *options)
    assert told["damage grows on"] == "outer"
    ran = command("waveform", "--csv", *options)
    head, *lines = ran.out.splitlines()
    assert head == "time_s,acceleration_m_s2"
    record = np.array([line.split(",") for line in lines], np.float64)
    assert len(record) == 25_600
    assert record[-1, 0] == pytest.approx(25_599 / 25_600, abs=1e-6)
    envelope = np.abs(np.fft.rfft(np.abs(record[:, 1]) - np.abs(record[:, 1]).mean()))
    assert 20 + int(envelope[20:200].argmax()) == pytest.approx(float(told["outer ring"].split()[0]), abs=1.5)


def test_the_same_seed_gives_the_same_record(command: Command) -> None:
    one, again, other = (command("waveform", "--csv", "--samples", "50", "--seed", seed).out for seed in "112")
    assert one == again != other


def test_a_failure_that_motors_do_not_have_is_told(command: Command) -> None:
    ran = command("waveform", "--failure", "bearing-spal")
    assert ran.code == 2
    assert "did you mean `bearing-spall`?" in ran.err
    assert "all: bearing-spall, imbalance" in command("waveform", "--failure", "rust").err


def test_explain_motor_tells_the_limits_of_the_zones(command: Command) -> None:
    page = " ".join(command("explain", "motor").out.split())
    for zone, limit in zip("ABC", ISO_10816_1_MM_S["II"], strict=True):
        assert f"{zone} up to {limit:g}" in page
    assert "twinstorm waveform" in page


@pytest.mark.parametrize(
    ("severity", "said"), [("0.5", "write `50 %`"), ("120 %", "between `0 %` and `100 %`"), ("half", "`20 %`")]
)
def test_a_severity_is_a_share_as_in_scenarios(severity: str, said: str, command: Command) -> None:
    ran = command("waveform", "--failure", "imbalance", "--severity", severity)
    assert ran.code == 2
    assert "--severity" in ran.err
    assert said in ran.err
    assert "severity 60%" in command("waveform", "--failure", "imbalance", "--severity", "60 %").out
