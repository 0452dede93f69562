"""Tenants: whose devices they are is told by selectors, by what devices have in common, and by who is paged."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import registry_of
from twinstorm.detectors.event_time import Asked
from twinstorm.detectors.grouping import Grouping
from twinstorm.detectors.policy import Policy
from twinstorm.detectors.windows import Span, keys_of
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import MINUTE_US, SECOND_US

FILE = """storm: 1
name: tenants
story: Two customers share a backend, and one of them is cut off.
duration: 30 min
warm_up: 2 min
fleet:
  devices: 300
  sites: [fra-1, sin-1]
  segments:
    presses: {kind: motor, share: 30 %, tenant: acme}
    rooms: {kind: environment, share: 20 %, every: 10 s, tenant: acme}
    pumps: {kind: pump, share: 40 %, tenant: globex}
    probes: {kind: environment, share: 10 %, every: 10 s}
objectives:
  acme-fresh: {sli: freshness, of: tenant=acme, within: 30 s, at_least: 99 %, burn: run}
  globex-fresh: {sli: freshness, of: tenant=globex, within: 30 s, at_least: 99 %, burn: run}
  presses-fresh: {sli: freshness, of: segment=presses, within: 30 s, at_least: 99 %, burn: run}
steps:
  - {name: cut, at: 10 min, fault: partition, target: tenant=acme, lasts: 5 min}
expect:
  - {alarm: silence, after: cut, within: 2 min, target: tenant=acme}
  - {no_alarm: any, target: tenant=globex}
  - {objective: acme-fresh, verdict: missed}
  - {objective: presses-fresh, verdict: missed}
"""


def finished(engine: Engine) -> RunResult:
    engine.play()
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def test_one_that_is_cut_off_is_named_and_paged_for() -> None:
    result = finished(build(read(FILE, "tenants.storm.yaml"), RunOptions(seed=1)))
    assert result.verdict == "held"
    silence = next(alarm for alarm in result.alarms if alarm.name == "silence")
    assert silence.group == "tenant=acme"
    assert silence.right
    severities = {alarm.name: alarm.severity for alarm in reversed(result.alarms)}
    assert severities["acme-fresh-burn"] == "page"
    assert severities["presses-fresh-burn"] == "ticket"
    assert "globex-fresh-burn" not in severities


@pytest.mark.parametrize(("of", "paged"), [("tenant=acme", True), ("tenant=acme,globex", False), ("tenant=a*", False)])
def test_only_all_of_one_tenant_pages(of: str, paged: bool) -> None:
    text = FILE.replace("of: tenant=acme, within", f"of: '{of}', within")
    result = finished(build(read(text, "tenants.storm.yaml"), RunOptions(seed=1)))
    burns = [alarm.severity for alarm in result.alarms if alarm.name == "acme-fresh-burn"]
    assert ("page" in burns) == paged


def test_the_registry_knows_tenants_and_windows_count_by_them() -> None:
    engine = build(read(FILE, "tenants.storm.yaml"), RunOptions(seed=1))
    registry = engine.registry
    assert registry.tenants == ("none", "acme", "globex")
    assert registry.tenant is not None
    assert np.bincount(registry.tenant).tolist() == [30, 150, 120]
    _, names = keys_of(registry, "motor", "tenant")
    assert names == registry.tenants
    windows = engine.core.keep_windows([Asked("tenant", Span.tumbling(MINUTE_US))], lateness_us=0)
    engine.advance(3 * 60 * SECOND_US)
    motors = next(window for figure, window in windows.newest.items() if figure.kind == "motor")
    assert motors.count[:, 1].max() == 90 * 60
    assert motors.count[:, 2].max() == 0


def test_without_tenants_nobody_has_one() -> None:
    registry = registry_of()
    assert registry.tenant is None
    key, names = keys_of(registry, "motor", "tenant")
    assert set(key.tolist()) == {-1, 0}
    assert names == ("none",)


def test_devices_of_nobody_in_particular_have_nothing_in_common() -> None:
    registry = build(read(FILE, "tenants.storm.yaml"), RunOptions(seed=1)).registry
    assert registry.tenant is not None
    policy = Policy(share=0.3, fleet_share=0.3)
    cause = Grouping(registry).cause(registry.tenant == 0, np.ones(len(registry), np.bool_), policy)
    assert cause is not None
    assert cause.group == "segment=probes"


def test_a_tenant_that_is_none_is_told() -> None:
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace("target: tenant=acme, lasts", "target: tenant=acmee, lasts"), "tenants.storm.yaml")
    (problem,) = told.value.problems
    assert problem.code == "S301"
    assert problem.suggestion == "tenant=acme" or "acme" in problem.allowed
