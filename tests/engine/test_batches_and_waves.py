"""Batches of certificates and waves of updates: told by selectors, and by what devices have in common."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import registry_of
from twinstorm.detectors.grouping import Grouping
from twinstorm.detectors.policy import Policy
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read

FILE = """storm: 1
name: batches
story: The certificates of one batch expire, whatever the machines that hold them.
duration: 20 min
warm_up: 2 min
fleet:
  devices: 300
  sites: [fra-1, sin-1]
  wave: everybody
  segments:
    presses: {kind: motor, share: 30 %, certificate_batch: spring}
    rooms: {kind: environment, share: 20 %, every: 1 s, certificate_batch: spring, wave: canary}
    pumps: {kind: pump, share: 40 %, certificate_batch: autumn}
    probes: {kind: environment, share: 10 %, every: 1 s, wave: canary}
steps:
  - {name: expiry, at: 8 min, fault: certificate-expiry, target: certificate_batch=spring, lasts: 6 min}
  - {name: drop, at: 8 min 5 s, fault: mass-disconnect, target: all}
expect:
  - {alarm: silence, after: expiry, within: 2 min, target: certificate_batch=spring}
"""
EVERYBODY = Policy(share=0.3, fleet_share=0.9)


def made(text: str = FILE) -> Engine:
    return build(read(text, "batches.storm.yaml"), RunOptions(seed=1))


def test_the_batch_whose_certificates_expire_is_named() -> None:
    engine = made()
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.verdict == "held", result.expectations
    silence = next(alarm for alarm in result.alarms if alarm.name == "silence")
    assert silence.group == "certificate_batch=spring"
    assert silence.cause == "certificate_batch=spring (lift 2.0)"


def test_the_registry_has_both_by_segment_and_by_fleet() -> None:
    registry = made().registry
    assert registry.certificate_batches == ("none", "autumn", "spring")
    assert registry.waves == ("none", "canary", "everybody")
    assert registry.certificate_batch is not None
    assert registry.wave is not None
    assert np.bincount(registry.certificate_batch).tolist() == [30, 120, 150]
    assert np.bincount(registry.wave).tolist() == [0, 90, 210]


@pytest.mark.parametrize(
    ("selector", "devices"),
    [
        ("wave=canary", 90),
        ("wave!=canary", 210),
        ("certificate_batch=s*", 150),
        ("certificate_batch=none", 30),
        ("certificate_batch=spring wave=canary", 60),
    ],
)
def test_selectors_know_them(selector: str, devices: int) -> None:
    assert made().reach_of(selector) == devices


def test_a_wave_of_several_kinds_is_a_cause_and_no_wave_is_none() -> None:
    registry = made().registry
    grouping, known = Grouping(registry), np.ones(len(registry), np.bool_)
    assert registry.wave is not None
    assert registry.certificate_batch is not None
    cause = grouping.cause(registry.wave == 1, known, EVERYBODY)
    assert cause is not None
    assert cause.group == "wave=canary"
    cause = grouping.cause(registry.certificate_batch == 0, known, EVERYBODY)
    assert cause is not None
    assert cause.group == "segment=probes"


def test_without_them_nobody_has_one() -> None:
    registry = registry_of()
    assert (registry.certificate_batch, registry.wave) == (None, None)
    plain = FILE.replace(", certificate_batch: spring", "").replace(", certificate_batch: autumn", "")
    plain = plain.replace(", wave: canary", "").replace("  wave: everybody\n", "")
    plain = plain.replace("target: certificate_batch=spring", "target: segment=presses")
    engine = made(plain)
    assert engine.reach_of("wave=none") == 300


@pytest.mark.parametrize(("wrong", "right"), [("certificate_batch=sprng", "spring"), ("wave=canry", "canary")])
def test_one_that_is_none_is_told(wrong: str, right: str) -> None:
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace("target: certificate_batch=spring, lasts", f"target: {wrong}, lasts"), "batches.storm.yaml")
    (problem,) = told.value.problems
    assert problem.code == "S301"
    assert right in problem.suggestion or right in problem.allowed
