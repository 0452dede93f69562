"""Which detector on values finds which fault of a sensor, and how soon: motors, those of one site ill."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.twin.flow import MINUTE_US, SECOND_US

FROM_US, TO_US = 18 * MINUTE_US, 28 * MINUTE_US

WATCHED = """storm: 1
name: ill
story: Sensors that lie, and somebody who looks at what they say.
duration: 30 min
warm_up: 15 min
fleet:
  devices: 60
  sites: [a, b, c]
  segments: {motors: {kind: motor, share: 100 %, every: 5 s}}
broker: {model: ideal}
detectors:
  flat-line: {channels: [winding_temperature_c]}
  rate: {channels: [winding_temperature_c], threshold: 3, within: 1 min}
  band: {channels: [winding_temperature_c], excess: 50 %, within: 1 min}
"""


def played(fault: str = "", settings: str = "", seed: int = 1) -> Engine:
    steps = ""
    if fault:
        given = f"{{channel: winding_temperature_c{settings}}}"
        steps = f"steps: [{{name: ill, at: 18 min, fault: {fault}, target: site=b, lasts: 10 min, with: {given}}}]\n"
    engine = build(read(WATCHED + steps, "ill.storm.yaml"), RunOptions(seed=seed))
    engine.play()
    return engine


@pytest.mark.parametrize(
    ("fault", "settings", "found"),
    [
        ("sensor-stuck", "", {"flat-line": 46}),
        ("sensor-spike", "", {"band": 4, "rate": 32}),
        ("sensor-bias", "", {"band": 4, "rate": 4}),
        ("sensor-noise", "", {"band": 4, "rate": 4}),
        ("sensor-unit", ", unit: F", {"band": 4, "rate": 4}),
        ("sensor-calibration", "", {"band": 4, "rate": 4}),
        # A rise as slow as those of the load, and values that do not come: nobody here sees that.
        ("sensor-drift", ", each: 10 min", {}),
        ("sensor-dropout", "", {}),
    ],
)
def test_faults_of_sensors_are_found_as_the_documents_say(fault: str, settings: str, found: dict[str, int]) -> None:
    alarms = [alarm for alarm in played(fault, settings).core.alarms if alarm.at_us < TO_US]
    first = {alarm.name: (alarm.at_us - FROM_US) // SECOND_US for alarm in reversed(alarms)}
    assert set(first) == set(found)
    for name, delay_s in found.items():
        assert first[name] == delay_s, name


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_a_calm_fleet_they_raise_nothing(seed: int) -> None:
    assert played(seed=seed).core.alarms == []


def test_a_report_says_what_a_shadow_found() -> None:
    shadow = WATCHED.replace("{channels", "{shadow: true, channels", 1)
    steps = "steps: [{name: ill, at: 18 min, fault: sensor-stuck, target: site=b, lasts: 4 min}]\n"
    engine = build(read(shadow + steps, "ill.storm.yaml"), RunOptions(seed=1))
    engine.play()
    notes = result_of(engine, speed=0.0, wall_s=0.0, repeat="").notes
    assert [note for note in notes if "shadow" in note] == [
        "in the shadow `flat-line` would have raised an alarm once: first 1126 s into the run, site=b"
    ]
