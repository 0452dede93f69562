"""Who watches everything and tunes nothing: calm where nothing happens, and not blind where a sensor fails."""

from __future__ import annotations

import pytest

from tests.engine.test_quiet import TEXT as QUIET
from tests.engine.test_sensor_watch import FROM_US, WATCHED
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import MINUTE_US, SECOND_US

EVERYTHING = (
    "detectors: {silence: {}, connect-storm: {}, reboot-storm: {}, flat-line: {}, rate: {}, band: {}, robust-z: {}, "
    "iqr: {}, shewhart: {}, ewma: {}, cusum: {}, page-hinkley: {}, spread: {}, seasonal: {}, context: {}, "
    "forecast: {}, ensemble: {}, fleet-relative: {}}\n"
)
PLANT = QUIET.split("objectives:")[0] + EVERYTHING.replace("{", "{{").replace("}", "}}")
MIX = PLANT.replace("{days} d", "{hours} h").replace("devices: 200", "devices: 40").replace("sites: 5", "sites: 1")
"""The mix on one site, so that devices have their like."""
ILL = WATCHED.split("detectors:")[0] + EVERYTHING


def played(text: str, seed: int, until_us: int | None = None) -> Engine:
    name = text.split("name: ")[1].split("\n")[0]
    engine = build(read(text, f"{name}.storm.yaml"), RunOptions(seed=seed, until_us=until_us))
    engine.play()
    return engine


def raised(engine: Engine) -> list[str]:
    return [f"{alarm.name} {alarm.group} at {alarm.at_us / 1e6:.0f} s" for alarm in engine.core.alarms]


def test_a_calm_hour_of_the_mix_raises_nothing() -> None:
    engine = played(MIX.format(hours=1), seed=1)
    assert raised(engine) == []
    judged = sum(each.judged for each in engine.core.on_values)
    assert judged > 300_000, "they looked"
    notes = [note for note in result_of(engine, speed=0.0, wall_s=0.0, repeat="").notes if "not watched" in note]
    assert len(notes) == 1
    assert "by events and not by itself: blocked_stations, cycle_time_s, east_m and 7 more; name it" in notes[0]


NAMED = """storm: 1
name: named
story: Somebody names channels, and chooses no limit.
duration: 30 min
warm_up: 30 s
fleet:
  devices: 60
  sites: [a, b, c]
  segments: {{all: {{kind: {kind}, share: 100 %, every: 5 s}}}}
broker: {{model: ideal}}
detectors:
  soon: {{detector: forecast, channels: [{channels}]}}
  highest: {{detector: ensemble, join: max, channels: [{channels}]}}
  mean: {{detector: ensemble, channels: [{channels}]}}
"""
OF_MOTORS = "winding_temperature_c, current_a, vibration_x_mm_s, speed_rpm"
OF_PUMPS = "flow_m3_h, discharge_pressure_bar, power_kw, bearing_temperature_c"


@pytest.mark.parametrize(
    ("kind", "channels", "seed"),
    [
        ("motor", OF_MOTORS, 1),
        ("motor", OF_MOTORS, 2),
        ("pump", OF_PUMPS, 1),
        ("environment", "temperature_c, humidity_pct, battery_pct", 1),
    ],
)
def test_who_names_channels_and_no_limit_is_told_of_nothing_in_calm(kind: str, channels: str, seed: int) -> None:
    assert raised(played(NAMED.format(kind=kind, channels=channels), seed)) == []


def test_what_is_calm_with_named_channels_still_finds_a_sensor_that_is_off() -> None:
    channel = "winding_temperature_c"
    step = f"{{name: off, at: 18 min, fault: sensor-bias, target: site=b, lasts: 10 min, with: {{channel: {channel}}}}}"
    text = NAMED.format(kind="motor", channels=channel) + f"steps: [{step}]\n"
    alarms = played(text, 1, FROM_US + 2 * MINUTE_US).core.alarms
    first = {alarm.name: (alarm.at_us - FROM_US) // SECOND_US for alarm in reversed(alarms)}
    assert first == {"highest": 4, "mean": 4}


CHOSEN = """storm: 1
name: chosen
story: Vehicles of which somebody watches one channel.
duration: 1 min
warm_up: 10 s
fleet:
  devices: 4
  segments:
    carts: {{kind: vehicle, share: 100 %, every: 5 s}}
detectors: {{band: {{{settings}}}}}
expect:
  - {{ledger: delivered, at_least: 1}}
"""


@pytest.mark.parametrize(
    ("settings", "noted"),
    [
        ("", True),
        ("adaptive: true", True),
        ("channels: [east_m], adaptive: true", False),
        ("channels: [east_m]", False),
    ],
)
def test_what_somebody_chose_is_not_told_as_left_out(settings: str, noted: bool) -> None:
    engine = played(CHOSEN.format(settings=settings), 1)
    notes = result_of(engine, speed=0.0, wall_s=0.0, repeat="").notes
    assert any("not watched, for it changes by events" in note for note in notes) == noted


@pytest.mark.parametrize("seed", [1, 2])
def test_motors_at_work_raise_nothing(seed: int) -> None:
    assert raised(played(ILL, seed)) == []


@pytest.mark.parametrize(
    ("fault", "settings", "finder", "delay_s"),
    [
        ("sensor-stuck", "", "flat-line", 46),
        ("sensor-spike", "", "band", 4),
        ("sensor-bias", "", "rate", 4),
        ("sensor-noise", "", "rate", 4),
        ("sensor-unit", ", unit: F", "rate", 4),
        ("sensor-calibration", "", "rate", 4),
    ],
)
def test_faults_of_sensors_are_found(fault: str, settings: str, finder: str, delay_s: int) -> None:
    given = f"{{channel: winding_temperature_c{settings}}}"
    steps = f"steps: [{{name: ill, at: 18 min, fault: {fault}, target: site=b, lasts: 10 min, with: {given}}}]\n"
    # The last of them finds its fault within a minute and a half.
    alarms = played(ILL + steps, 1, FROM_US + 2 * MINUTE_US).core.alarms
    first = {alarm.name: (alarm.at_us - FROM_US) // SECOND_US for alarm in reversed(alarms)}
    assert first[finder] == delay_s, first
    assert min(first.values()) >= 0, first


@pytest.mark.nightly
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_calm_day_raises_nothing(seed: int) -> None:
    assert raised(played(PLANT.format(days=1), seed)) == []
