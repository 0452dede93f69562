"""Gateways and those behind them: one thing that breaks is one incident that names it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.grouping import Grouping
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import Registry, Severity

POLICY = Policy(share=0.3, fleet_share=0.05)


def behind_gateways(sites: int, gateways: int, carried: int, direct: int = 0) -> Registry:
    """So many gateways at each site, each with so many devices behind it, and others without a gateway."""
    per_site = gateways * (1 + carried) + direct
    registry = registry_of([f"s-{site}" for site in range(sites)], motors=per_site, climate=0)
    at_site = np.concatenate([np.repeat(np.arange(1, gateways + 1), 1 + carried), np.zeros(direct, np.int64)])
    code = np.concatenate([np.where(at_site > 0, at_site + site * gateways, 0) for site in range(sites)])
    names = tuple(f"s-{site}/gateways-{number}" for site in range(sites) for number in range(gateways))
    return replace(registry, kinds=("motor",), gateway=code.astype(np.int32), gateways=("none", *names))


FLEET = behind_gateways(sites=2, gateways=2, carried=500, direct=100)


@pytest.mark.parametrize(
    ("down", "group"),
    [
        ((2,), "gateway=s-0/gateways-1"),
        ((2, 3), "gateway=s-0/gateways-1,s-1/gateways-0"),
        ((1, 2, 3, 4), "all"),
    ],
)
def test_gateways_are_named(down: tuple[int, ...], group: str) -> None:
    assert FLEET.gateway is not None
    cause = Grouping(FLEET).cause(np.isin(FLEET.gateway, down), np.ones(len(FLEET), np.bool_), POLICY)
    assert cause is not None
    assert cause.group == group


def test_a_site_is_simpler_than_its_gateways_and_one_gateway_than_its_site() -> None:
    two, one = (behind_gateways(sites=3, gateways=number, carried=20) for number in (2, 1))
    named = [
        Grouping(registry).cause(registry.site == 1, np.ones(len(registry), np.bool_), POLICY)
        for registry in (two, one)
    ]
    assert [cause and cause.group for cause in named] == ["site=s-1", "gateway=s-1/gateways-0"]


def test_devices_without_a_gateway_have_none_in_common() -> None:
    assert FLEET.gateway is not None
    cause = Grouping(FLEET).cause(FLEET.gateway == 0, np.ones(len(FLEET), np.bool_), Policy(share=0.3, fleet_share=0.3))
    assert cause is None


def test_the_death_of_a_gateway_with_500_devices_is_one_alarm_that_names_it() -> None:
    wanted: dict[str, Any] = {"silence": {"severity": "page"}, "reboot-storm": {}, "connect-storm": {}}
    lab = Lab.start(FLEET, **wanted)
    assert FLEET.gateway is not None
    gone = np.flatnonzero(FLEET.gateway == 2)
    lab.play(60)
    lab.drop(gone)
    lab.play(120)
    (alarm,) = lab.core.alarms
    assert (alarm.name, alarm.group, alarm.severity) == ("silence", "gateway=s-0/gateways-1", Severity.PAGE)
    assert len(alarm.device) == 501
    lab.boots(gone)
    lab.play(180)
    (incident,) = lab.core.incidents
    assert incident.title == "501 devices fell silent, gateway=s-0/gateways-1"
    assert sum(alarm.severity == Severity.PAGE for alarm in lab.core.alarms) == 1
    assert {alarm.group for alarm in lab.core.alarms} == {"gateway=s-0/gateways-1"}


@pytest.mark.parametrize(
    ("gateways", "severity"), [((2,), Severity.TICKET), ((2, 4), Severity.PAGE), ((1, 2), Severity.PAGE)]
)
def test_reboots_behind_more_than_one_gateway_page(gateways: tuple[int, ...], severity: Severity) -> None:
    lab = Lab.start(FLEET)
    assert FLEET.gateway is not None
    lab.play(60)
    lab.boots(np.flatnonzero(np.isin(FLEET.gateway, gateways)))
    lab.play(20)
    assert [alarm.severity for alarm in lab.core.alarms if alarm.name == "reboot-storm"] == [severity]


@pytest.mark.parametrize(("sites", "severity"), [((1,), Severity.TICKET), ((1, 3), Severity.PAGE)])
def test_reboots_at_more_than_one_site_page_where_there_are_no_gateways(
    sites: tuple[int, ...], severity: Severity
) -> None:
    fleet = registry_of(motors=40, climate=10)
    lab = Lab.start(fleet)
    lab.play(60)
    lab.boots(np.flatnonzero(np.isin(fleet.site, sites)))
    lab.play(20)
    assert [alarm.severity for alarm in lab.core.alarms if alarm.name == "reboot-storm"] == [severity]
