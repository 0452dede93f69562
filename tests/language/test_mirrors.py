"""`mirror` of a segment: what is known, which channels drive it, and what cannot be mirrored."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.model import DrivePlan, MirrorPlan
from twinstorm.scenarios.language.reader import read

FILE = """storm: 1
name: mirrored
story: Somebody compares pumps with what they should do.
duration: 10 min
fleet:
  devices: 20
  segments: {pumps: {kind: pump, share: 100 %, machine: {rated: 80 m3/h .. 100 m3/h, rated_head: 30 m}, mirror: {}}}
detectors:
  robust-z: {channels: [residual_power_kw]}
"""


def mirror_of(written: str) -> MirrorPlan | None:
    return read(FILE.replace("mirror: {}", written), "mirrored.storm.yaml").fleet.segments[0].mirror


def test_what_the_segment_says_of_its_machines_is_known_and_of_a_range_the_middle() -> None:
    assert mirror_of("mirror: {}") == MirrorPlan((("rated_m3_h", 90.0), ("rated_head_m", 30.0)), ())


def test_what_the_mirror_says_of_its_own_wins() -> None:
    found = mirror_of("mirror: {machine: {rated: 81.5 m3/h}, drives: {demand_share: {of: flow_m3_h, factor: 0.0125}}}")
    assert found == MirrorPlan(
        (("rated_m3_h", 81.5), ("rated_head_m", 30.0)), (DrivePlan("demand_share", "flow_m3_h", 0.0125, 0.0),)
    )


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("mirror: {drives: {demand: {of: flow_m3_h}}}", "did you mean `demand_share`"),
        ("mirror: {drives: {demand_share: {of: flow}}}", "flow_m3_h"),
        ("mirror: {drives: {demand_share: {factor: 2}}}", "the key `of` is missing"),
        ("mirror: {machine: {rated: 500 m3/h}}", "60 m3/h .. 150 m3/h"),
        ("mirror: {real: true}, power: {battery: 5 Wh}", "`power` is about twins"),
        ("mirror: {real: maybe}", "true, false"),
        ("mirror: yes", "the mirror of a segment is wanted here"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_do(written: str, told: str) -> None:
    with pytest.raises(ScenarioErrors, match=told):
        mirror_of(written)


def test_a_residual_needs_a_mirror() -> None:
    with pytest.raises(ScenarioErrors, match="no machine of the fleet has a channel `residual_power_kw`"):
        mirror_of("synthetic: false")


def test_machines_without_a_period_have_no_instants_to_compare() -> None:
    text = FILE.replace("kind: pump", "kind: controller").replace(
        "machine: {rated: 80 m3/h .. 100 m3/h, rated_head: 30 m}, ", ""
    )
    with pytest.raises(ScenarioErrors, match="not by a period"):
        read(text, "mirrored.storm.yaml")


def test_gateways_are_mirrored_and_never_real() -> None:
    text = FILE.replace("kind: pump", "kind: gateway").replace("[residual_power_kw]", "[residual_cpu_pct]")
    text = text.replace("machine: {rated: 80 m3/h .. 100 m3/h, rated_head: 30 m}, ", "")
    assert read(text, "mirrored.storm.yaml").fleet.segments[0].mirror == MirrorPlan()
    with pytest.raises(ScenarioErrors, match="behind a real gateway"):
        read(text.replace("mirror: {}", "mirror: {real: true}"), "mirrored.storm.yaml")
