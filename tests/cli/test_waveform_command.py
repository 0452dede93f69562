"""`twinstorm waveform`: the record of one machine, and what is said about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Ran
from twinstorm.twin.physics.bearing import BALL_6309, IMS_ZA_2115, ISO_10816_1_MM_S, ISO_10816_7_MM_S

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


PLANT = """
storm: 1
name: plant
story: Pumps cavitate.
duration: 5 min
fleet:
  devices: 12
  sites: [ham-1]
  segments:
    pumps: {kind: pump, share: 50 %, every: 1 s}
    chillers: {kind: chiller, share: 25 %, every: 10 s}
    drives: {kind: motor, share: 25 %, every: 1 s}
steps:
  - {name: starved, at: 1 min, fault: cavitation, target: id=ham-1/pumps-0001, lasts: 3 min, with: {grows: 10 s}}
"""


@pytest.fixture
def plant(tmp_path: Path) -> str:
    path = tmp_path / "plant.storm.yaml"
    path.write_text(PLANT)
    return str(path)


def test_a_pump_of_a_run_is_heard_as_it_is_at_the_instant(command: Command, plant: str) -> None:
    early, late = (facts(command, plant, "--device", "ham-1/pumps-0001", "--at", at) for at in ("30 s", "3 min"))
    assert "none" in early["ham-1/pumps-0001"]
    assert "starved" in late["ham-1/pumps-0001"]
    rms = [float(told["acceleration"].split()[1]) for told in (early, late)]
    assert rms[1] > 5 * rms[0]
    worst = float(late["velocity"].split()[0])
    limits = ISO_10816_7_MM_S["II", "small"]
    assert late["zone"] == f"{'ABCD'[sum(worst > limit for limit in limits)]} (ISO 10816-7, category II, up to 200 kW)"
    turns_per_s = float(late["shaft"].split()[0])
    assert 0.7 * 49.2 < turns_per_s < 1.02 * 49.2
    assert float(late["outer ring"].split()[0]) == pytest.approx(BALL_6309.outer * turns_per_s, abs=0.05)


def test_other_devices_and_seeds_are_heard_otherwise_and_the_same_again_alike(command: Command, plant: str) -> None:
    def heard(device: str, seed: str) -> str:
        return command(
            "waveform", plant, "--device", device, "--at", "1min", "--seed", seed, "--csv", "--samples", "64"
        ).out

    motor, again = heard("ham-1/drives-0001", "1"), heard("ham-1/drives-0001", "1")
    assert motor == again
    assert len({motor, heard("ham-1/drives-0001", "2"), heard("ham-1/drives-0002", "1")}) == 3


def test_a_compressor_turns_its_own_bearing_or_rests(command: Command, plant: str) -> None:
    told = [facts(command, plant, "--device", f"ham-1/chillers-000{number}", "--at", "2 min") for number in (1, 2, 3)]
    for each in told:
        shaft, outer = (float(each[name].split()[0]) for name in ("shaft", "outer ring"))
        assert each["load"] == ("compressor runs" if shaft else "compressor rests")
        assert outer == pytest.approx(IMS_ZA_2115.outer * shaft, abs=0.1)
        assert each["velocity"] == "no channel tells it"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "ham-1/pumps-001"), "nearest: ham-1/pumps-00"),
        ((), "--device ID"),
        (("--device", "ham-1/pumps-0001", "--at", "1 h"), "after the end of plant, which lasts 5 min"),
        (("--device", "ham-1/pumps-0001", "--failure", "imbalance"), "for a lone motor"),
    ],
)
def test_what_cannot_be_heard_is_told(command: Command, plant: str, options: tuple[str, ...], said: str) -> None:
    ran = command("waveform", plant, *options)
    assert ran.code == 2
    assert said in ran.err


def test_a_kind_without_a_bearing_is_told_with_those_that_have_one(command: Command, plant: str) -> None:
    Path(plant).write_text(PLANT.replace("kind: chiller", "kind: meter"))
    ran = command("waveform", plant, "--device", "ham-1/chillers-0001")
    assert ran.code == 2
    assert "of kind meter, which has no bearing" in ran.err
    assert "motor, pump" in ran.err


def test_the_start_of_a_run_can_be_heard(command: Command, plant: str) -> None:
    told = facts(command, plant, "--device", "ham-1/pumps-0001", "--at", "0s")
    assert "none" in told["ham-1/pumps-0001"]
    assert "bearing" in told


def test_a_machine_without_power_rests_and_is_in_no_zone(command: Command, plant: str) -> None:
    dark = "  - {name: dark, at: 1 min, fault: power-outage, target: site=ham-1, lasts: 3 min}\n"
    Path(plant).write_text(PLANT + dark)
    for device in ("ham-1/pumps-0001", "ham-1/drives-0001"):
        before, after = (facts(command, plant, "--device", device, "--at", at) for at in ("50 s", "2 min"))
        assert "zone" in before
        assert "zone" not in after
        assert after["velocity"] == after["load"] == "at rest"


def test_options_of_a_run_need_a_scenario(command: Command) -> None:
    assert "none is named" in command("waveform", "--at", "1min").err
