"""One device more changes no other: not its place, not its gateway, not when it samples, and no bit of its readings."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.worlds import Lab
from twinstorm.scenarios.engine.plan import fleet_plan
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.placement import apportion
from twinstorm.scenarios.language.reader import read
from twinstorm.twin import fleet as fleets
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.machines.kind import catalogue

CARRIED = ("wearable", "environment", "motor")
KINDS = sorted(catalogue().keys() - {"gateway"})
PLAYED_S = 40

Heard = dict[tuple[str, int], tuple[int, bytes]]


def mixed(devices: int, weights: list[int], sites: int, phases: int | None) -> Scenario:
    """Every kind there is, some behind gateways: a fifth of the fleet is gateways, the rest goes by `weights`."""
    shares = apportion(8_000, [Fraction(weight, sum(weights)) for weight in weights])
    parts = [
        f"    part-{kind}: {{kind: {kind}, share: {share / 100:.2f} %{', through: edge' if kind in CARRIED else ''}}}"
        for kind, share in zip(KINDS, shares, strict=True)
        if share
    ]
    lines = [
        "storm: 1",
        "name: mixed",
        "story: A bit of everything.",
        "duration: 10 min",
        "fleet:",
        f"  devices: {devices}",
        f"  sites: {sites}",
        *([] if phases is None else [f"  phases: {phases}"]),
        "  segments:",
        "    edge: {kind: gateway, share: 20 %, gateway: {}}",
        *parts,
    ]
    return read("\n".join(lines) + "\n", "mixed.storm.yaml")


def heard(scenario: Scenario) -> tuple[dict[str, tuple[str, int]], Heard]:
    """Of each device, by name, its gateway and its phase; and the readings that arrived, by name and number."""
    lab = Lab.make(fleet_plan(scenario))
    lab.until(PLAYED_S * SECOND_US)
    fleet = lab.world.fleet
    names = list(fleet.names)
    behind = ["" if code == 0 else names[fleet.gateway[code - 1]] for code in fleet.carrier.tolist()]
    who = dict(zip(names, zip(behind, fleet.phase_us.tolist(), strict=True), strict=True))
    return who, {
        (names[device], seq): (lab.device_time_us[device, seq], values)
        for (device, seq), values in lab.delivered.items()
    }


@settings(max_examples=12, deadline=None)
@given(
    devices=st.integers(20, 90),
    more=st.integers(1, 5),
    weights=st.lists(st.integers(0, 9), min_size=len(KINDS), max_size=len(KINDS)).filter(any),
    sites=st.integers(1, 3),
    phases=st.sampled_from([None, 1, 7]),
)
def test_devices_that_join_change_no_other(
    devices: int, more: int, weights: list[int], sites: int, phases: int | None
) -> None:
    few, few_heard = heard(mixed(devices, weights, sites, phases))
    many, many_heard = heard(mixed(devices + more, weights, sites, phases))
    assert few.keys() <= many.keys()
    assert len(many) == devices + more
    joined = {name for name in many.keys() - few.keys() if "/edge-" in name}
    if not joined:
        # A new gateway takes over devices of its site: that is what it is for. Their readings are the same.
        assert few.items() <= many.items()
    assert {name: phase for name, (_, phase) in few.items()}.items() <= {
        n: phase for n, (_, phase) in many.items()
    }.items()
    both = few_heard.keys() & many_heard.keys()
    assert {one: few_heard[one] for one in both} == {one: many_heard[one] for one in both}
    assert len(both) > 0.9 * len(few_heard), "what is under way at the end may differ, no more"


def test_where_a_file_says_nothing_of_phases_a_large_kind_gets_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "ONE_PHASE_BELOW", 100)

    def phases(devices: int, said: int | None) -> set[int]:
        weights = [int(kind == "motor") for kind in KINDS]
        fleet = fleets.grow(fleet_plan(mixed(devices, weights, 1, said)))
        return {group.phase_us for group in fleet.groups if group.kind == "motor"}

    assert len(phases(100, None)) == 1
    assert len(phases(200, None)) == 10
    assert phases(200, 1) == {0}
    assert len(phases(100, 10)) == 10
