"""`twinstorm fit`: a machine is told from its readings."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Ran
from twinstorm.scenarios.language.reader import load
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.conformance import Machines, some_keys
from twinstorm.twin.machines.pump import Pump

Command = Callable[..., Ran]

ROWS = 90
TOLD = ("rated_m3_h", "rated_head_m", "vessel_pressure_bar", "lowest_speed_share")


def recorded(path: Path, key: int) -> Machines:
    """Readings of a noisy pump, one a minute, whose consumers change their mind every six."""
    pump = Machines(Pump(), some_keys(1, key), key, noisy=True)
    lines = ["time,demand_share," + ",".join(channel.name for channel in pump.kind.channels)]
    for row in range(ROWS):
        demand = 0.65 + 0.3 * np.cos(row // 6 * 2.4)
        pump.drives["demand_share"] = np.full(1, demand, np.float32)
        told = pump.step(60 * SECOND_US)[:, 0]
        lines.append(f"{(row + 1) * 60},{demand:.6f}," + ",".join(f"{value:.5f}" for value in told.tolist()))
    path.write_text("\n".join(lines) + "\n")
    return pump


def test_parameters_of_a_noisy_pump_come_back_within_5_percent(command: Command, tmp_path: Path) -> None:
    pump = recorded(tmp_path / "pump.csv", 2)
    done = command("fit", str(tmp_path / "pump.csv"), "--kind", "pump", "--out", str(tmp_path / "pump.yaml"))
    assert done.code == 0, done.err
    machine = dict(re.findall(r"^      (\w+): (\S+)", (tmp_path / "pump.yaml").read_text(), re.MULTILINE))
    keys = {one.name: one.key for one in pump.kind.settable}
    for name in TOLD:
        true = float(pump.parameters[name][0])
        assert float(machine[keys[name]]) == pytest.approx(true, rel=0.05), name
    assert "npsh_required_m" in done.err, "nothing cavitates"

    fleet = (tmp_path / "pump.yaml").read_text().replace("\n", "\n  ")
    scenario = tmp_path / "pumps.storm.yaml"
    scenario.write_text(
        f"storm: 1\nname: pumps\nstory: Pumps like ours.\nduration: 5 min\nfleet:\n  devices: 3\n  {fleet}\n"
    )
    assert load(str(scenario), (), None).name == "pumps"


def test_a_table_with_decimal_commas_is_fitted(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    recorded(path, 2)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *rows[:40]]) + "\n")
    english = command("fit", str(path), "--kind", "pump")
    moments = [datetime.fromtimestamp(int(row.partition(",")[0]), UTC) for row in rows[:40]]
    german = [
        f"{at:%d.%m.%Y %H:%M},{row.partition(',')[2]}".replace(",", ";").replace(".", ",")
        for at, row in zip(moments, rows[:40], strict=True)
    ]
    german = [row.replace(",", ".", 2) for row in german]  # Those of the date.
    path.write_text("\n".join([head.replace(",", ";"), *german]) + "\n")
    ran = command("fit", str(path), "--kind", "pump", "--decimal", ",", "--time-format", "%d.%m.%Y %H:%M")
    assert ran.code == 0, ran.err
    assert ran.out == english.out


def test_what_cannot_be_fitted_is_told(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    recorded(path, 2)
    lines = path.read_text().splitlines()
    few, mixed = tmp_path / "few.csv", tmp_path / "mixed.csv"
    few.write_text("\n".join(lines[:8]) + "\n")
    mixed.write_text("\n".join([lines[0], *lines[5:60], *lines[1:5]]) + "\n")
    for file, options, said in (
        (path, ("--kind", "pmup"), "did you mean `pump`?"),
        (path, ("--kind", "chiller", "--drive", "x=y"), "--drive wants NAME=COLUMN"),
        (few, ("--kind", "pump"), "7 rows are too few"),
        (mixed, ("--kind", "pump"), "is not later than"),
        (path, ("--kind", "shelf"), "no column is a channel of `shelf`"),
        (path, ("--kind", "pump", "--out", str(path)), "is the file that is read"),
    ):
        done = command("fit", str(file), *options)
        assert done.code == 2
        assert said in done.err


PUMPS = """storm: 1
name: pumps
story: Pumps that somebody bought.
duration: 3 h
fleet:
  devices: 2
  sites: [ham-1]
  segments: {pumps: {kind: pump, share: 100 %, every: 60 s, machine: {rated: 80 m3/h, rated_head: 40 m}}}
expect:
  - {ledger: lost, at_most: 1 %}
"""


def test_a_device_of_a_recorded_run_is_fitted_by_playing_the_run_again(command: Command, tmp_path: Path) -> None:
    (tmp_path / "pumps.storm.yaml").write_text(PUMPS)
    assert command("run", str(tmp_path / "pumps.storm.yaml"), "--out", str(tmp_path / "runs"), "--quiet").code == 0
    run = str(next((tmp_path / "runs").iterdir()))
    done = command("fit", run, "--device", "ham-1/pumps-0002")
    assert done.code == 0, done.err
    machine = dict(re.findall(r"^      (\w+): (\S+)", done.out, re.MULTILINE))
    assert float(machine["rated"]) == pytest.approx(80.0, rel=0.05)
    assert float(machine["rated_head"]) == pytest.approx(40.0, rel=0.05)
    assert "playing pumps again, seed 1" in done.err

    for options, said in (
        (("--device", "ham-1/pumps-9"), "there is no device 'ham-1/pumps-9' in pumps; the first is ham-1/pumps-0001"),
        (("--device", "ham-1/pumps-0001", "--kind", "motor"), "is of kind `pump`, not `motor`"),
        (("--device", "ham-1/pumps-0001", "--time", "t"), "a run has none"),
        ((), "what kind of machine is it?"),
    ):
        refused = command("fit", run, *options)
        assert refused.code == 2
        assert said in refused.err
