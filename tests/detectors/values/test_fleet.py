"""Detectors on values at work on a fleet: which readings they see, in which order, and what becomes of their scores."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.detectors.lab import Lab, delivery, registry_of
from twinstorm.detectors.ingest import Ingest
from twinstorm.detectors.values.contract import Comparing, Reals, Sample, build, catalogue
from twinstorm.detectors.values.fleet import OnFleet, bytes_a_series
from twinstorm.twin.flow import SECOND_US, Severity

REGISTRY = registry_of(motors=3, climate=0)
MOTORS = len(REGISTRY)
RNG = np.random.default_rng(11)


def on_fleet(name: str, **settings: Any) -> tuple[Ingest, OnFleet]:
    ingest = Ingest(REGISTRY)
    detector = OnFleet(catalogue()[name], REGISTRY, {"adaptive": "false", **settings})
    ingest.taps.append(detector)
    return ingest, detector


def story(readings: int) -> Reals:
    """(readings, devices, channels) of noise on a grid, one sensor stuck from the half on."""
    values = np.round(20.0 + RNG.normal(0.0, 1.0, (readings, MOTORS, 2)), 2).astype(np.float32)
    values[readings // 2 :, 4, 1] = 7.5
    return values.astype(np.float64)


def alone(name: str, values: Reals, times: Sequence[Sequence[int]] | None = None, **settings: str) -> Reals:
    """The last score of each device by a detector of its own for each of its channels."""
    scores = np.full((MOTORS, 2), np.nan)
    for device in range(MOTORS):
        for channel in range(2):
            detector = build(name, 1, settings)
            for number in range(len(values)) if times is None else times[device]:
                one = Sample(np.zeros(1, np.int64), values[number, device, channel : channel + 1])
                score = detector.step(one)[0]
                scores[device, channel] = score if score == score else scores[device, channel]
    return np.fmax(scores[:, 0], scores[:, 1])


def told(detector: OnFleet) -> Reals:
    """Scores of devices, as far as they are over one half: below nothing is said of how much."""
    return np.where(detector._score >= 0.5, detector._score, 0.0).astype(np.float64)


def half(scores: Reals) -> Reals:
    return np.where(scores >= 0.5, scores, 0.0)


OWN = {"flat-line": {}, "cusum": {"train": "30"}, "robust-z": {}}


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("way", ["dense", "sparse", "shuffled", "stretches", "holes"])
def test_however_readings_come_each_series_is_judged_as_if_alone(name: str, way: str) -> None:
    values = story(80)
    ingest, detector = on_fleet(name, clear_threshold=0.5, **OWN[name])
    everyone = list(range(MOTORS))
    seen: list[list[int]] = [list(range(len(values))) for _ in everyone]
    if way == "stretches":
        for first in range(0, len(values), 20):
            rows = [(device, number) for device in everyone for number in range(first, first + 20)]
            who, numbers = [row[0] for row in rows], [row[1] for row in rows]
            ingest.take(delivery(who, [number + 1 for number in numbers], values=values[numbers, who]))
    for number in range(len(values)) if way != "stretches" else ():
        order = RNG.permutation(MOTORS).tolist() if way == "shuffled" else everyone
        present = None
        if way == "holes":
            present = (RNG.random(MOTORS) < 0.9).tolist()
            for device in everyone:
                if not present[device]:
                    seen[device].remove(number)
        dense = way in ("dense", "holes")
        ingest.take(delivery(order, number + 1, values=values[number, order], dense=dense, present=present))
    np.testing.assert_allclose(told(detector), half(alone(name, values, seen, **OWN[name])), rtol=1e-6)
    assert detector.judged == 2 * sum(map(len, seen)) or way == "holes"
    assert detector.late == 0


def test_a_reading_behind_a_newer_one_is_counted_and_not_judged() -> None:
    ingest, detector = on_fleet("flat-line", values="4", clear_threshold=0.5)
    for seq in (1, 2, 5, 6):
        ingest.take(delivery([0], [seq], values=[[3.0, float(seq)]]))
    assert detector._score[0] == 1.0
    ingest.take(delivery([0, 0], [3, 4], values=[[9.0, 9.0], [9.0, 9.0]]))
    assert (detector.late, detector._score[0]) == (2, 1.0)
    ingest.take(delivery([0], [7], values=[[3.0, 7.0]]))
    assert detector._score[0] == pytest.approx(1.25)


def test_readings_that_overtake_each_other_on_their_way_are_judged_by_number() -> None:
    ingest, detector = on_fleet("flat-line", values="3", clear_threshold=0.5)
    ingest.take(delivery([0, 0, 0], [3, 1, 2], values=[[5.0, 3.0], [9.0, 1.0], [5.0, 2.0]]))
    assert detector._score[0] == pytest.approx(2 / 3)
    assert detector.late == 0


def test_only_those_devices_and_channels_are_watched_that_are_named() -> None:
    on = np.zeros(MOTORS, np.bool_)
    on[[1, 4, 5]] = True
    ingest, detector = on_fleet("flat-line", values="3", on=on, channels=["current_a"])
    for seq in range(1, 4):
        flat = np.full((MOTORS, 2), [20.0 + seq, 3.0])
        ingest.take(delivery(list(range(MOTORS)), seq, values=flat, dense=True))
    assert detector._score[on].tolist() == [1.0] * 3
    assert np.isnan(detector._score[~on]).all()
    assert detector.judged == 3 * 3
    calm, of_the_other = on_fleet("flat-line", values="3", channels=["winding_temperature_c"])
    for seq in range(1, 4):
        calm.take(delivery(list(range(MOTORS)), seq, values=np.full((MOTORS, 2), [20.0 + seq, 3.0])))
    assert not (of_the_other._score >= 1.0).any()


def test_as_many_values_in_a_row_count_as_were_asked_for_and_hysteresis_keeps_them() -> None:
    ingest, detector = on_fleet("shewhart", train="20", persist="3", clear_threshold="50 %")
    values = [20.0 + 0.1 * (number % 5) for number in range(20)] + [30.0, 30.0, 20.0, 30.0, 30.0, 30.0, 20.8, 20.0]
    affected = []
    for seq, value in enumerate(values, 1):
        ingest.take(delivery([0], [seq], values=[[value, np.nan]]))
        affected.append(bool(detector._score[0] >= detector.policy.clear_threshold))
    assert affected[20:] == [False, False, False, False, False, True, True, False]


# --- alarms -----------------------------------------------------------------------------------------------------------


class Told:
    """A lab whose values the test decides: noise, and what is stuck."""

    def __init__(self, **detectors: Any) -> None:
        fixed: dict[str, Any] = {
            name: {"adaptive": "false", **settings} if name in catalogue() else settings
            for name, settings in detectors.items()
        }
        self.lab = Lab.start(REGISTRY, warm_up_s=0, **fixed)
        self.stuck: list[int] = []
        self.seq = 0
        self.noise = np.random.default_rng(3)

    def play(self, seconds: int) -> None:
        for _ in range(seconds):
            self.seq += 1
            values = 20.0 + self.noise.normal(0.0, 1.0, (MOTORS, 2))
            values[self.stuck, 0] = 33.0
            self.lab.core.ingest(
                delivery(
                    list(range(MOTORS)), self.seq, values=values, arrived_us=self.lab.second * SECOND_US, dense=True
                )
            )
            self.lab.second += 1
            self.lab.core.close_pane(self.lab.second * SECOND_US, self.lab.counters)


def test_a_lone_stuck_sensor_is_a_ticket_and_a_site_of_them_one_alarm_that_names_it() -> None:
    told = Told(**{"flat-line": {}})
    told.play(60)
    assert told.lab.core.alarms == []
    told.stuck = [7]
    told.play(30)
    (alarm,) = told.lab.core.alarms
    assert (alarm.name, alarm.group, alarm.severity) == ("flat-line", "no group", Severity.TICKET)
    assert alarm.device.tolist() == [7]
    told.stuck = []
    told.play(65)
    assert alarm.resolved_us is not None

    several = Told(**{"flat-line": {"devices": "2", "severity": "page"}})
    several.stuck = [3, 4, 5]
    several.play(60)
    (alarm,) = several.lab.core.alarms
    assert (alarm.group, alarm.severity) == ("site=fra-1", Severity.PAGE)
    (incident,) = several.lab.core.incidents
    assert incident.title == "3 devices repeat themselves, site=fra-1"


def test_a_shadow_finds_and_raises_nothing() -> None:
    told = Told(**{"flat-line": {"shadow": "true"}, "silence": {"shadow": "true"}})
    told.stuck = [3, 4, 5]
    told.play(60)
    core = told.lab.core
    assert (core.alarms, core.incidents) == ([], [])
    (found,) = core.findings
    assert (found.detector, found.at_us) == ("flat-line", 20 * SECOND_US)
    told.stuck = []
    told.play(200)
    assert core.alarms == []


def test_what_a_device_said_is_no_news_once_it_is_silent() -> None:
    told = Told(**{"flat-line": {}})
    told.stuck = [7]
    told.play(40)
    (alarm,) = told.lab.core.alarms
    for _ in range(80):
        told.lab.second += 1
        told.lab.core.close_pane(told.lab.second * SECOND_US, told.lab.counters)
    assert alarm.resolved_us is not None


def test_a_value_counts_for_as_long_as_was_asked_for() -> None:
    for within, devices in (("30 s", [[2]]), ("3 s", [])):
        told = Told(iqr={"within": within, "hold": "5 s", "fence": "8", "least": "50"})
        told.play(60)
        told.stuck = [2]
        told.play(1)
        told.stuck = []
        told.play(20)
        assert [alarm.device.tolist() for alarm in told.lab.core.alarms] == devices


def test_a_snapshot_goes_on_as_if_nothing_had_happened() -> None:
    told, other = (Told(**{"flat-line": {"persist": "2", "within": "10 s"}, "cusum": {"limit": "30"}}) for _ in "ab")
    for each in (told, other):
        each.stuck = [1]
        each.play(18)
    other.lab.core = pickle.loads(pickle.dumps(other.lab.core))
    for each in (told, other):
        each.play(20)
    assert [(alarm.name, alarm.at_us) for alarm in told.lab.core.alarms] == [
        (alarm.name, alarm.at_us) for alarm in other.lab.core.alarms
    ]
    assert told.lab.core.alarms


def test_memory_is_known_before_it_is_taken() -> None:
    fixed = {"adaptive": "false"}
    assert bytes_a_series("flat-line", fixed) == 48
    assert bytes_a_series("flat-line", {}) == 48 + 44
    assert bytes_a_series("flat-line", {"persist": "3", "shadow": "true", "channels": ["current_a"]}) == 50
    assert bytes_a_series("robust-z", {"window": "50", **fixed}) == 8 * 50 + 8
    assert 1_000 < bytes_a_series("context", {}) < 4_000


@pytest.mark.parametrize("name", catalogue())
def test_no_detector_calls_a_setting_as_the_decision_does(name: str) -> None:
    options = [option.name for option in catalogue()[name].fleet_options()]
    compares = issubclass(catalogue()[name], Comparing)
    assert len(options) == len(set(options)) == len(catalogue()[name].options) + (14 if compares else 12)
