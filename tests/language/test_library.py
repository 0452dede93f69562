"""The scenarios that come with twinstorm are examples in form: they teach, and they scale."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.reader import library_names, load


def test_the_library_holds_one_scenario_a_fault_and_a_quiet_one() -> None:
    assert library_names() == (
        "all-quiet",
        "bad-firmware",
        "broker-outage",
        "core-outage",
        "dark-lamps",
        "dear-bytes",
        "drained-node",
        "flood-watch",
        "full-flash",
        "gateway-night",
        "lost-clocks",
        "partition",
        "reboot-storm",
        "short-crew",
        "small-pool",
        "stuck-sensor",
        "thin-line",
        "winter-night",
        "worn-bearings",
    )
    used = {step.value for name in library_names() for step in load(name).steps if step.action == "fault"}
    assert used == {
        "battery-drain",
        "broker-outage",
        "connect-refusal",
        "mass-disconnect",
        "buffer-overflow",
        "core-outage",
        "partition",
        "peak",
        "power-outage",
        "schema-break",
        "sensor-stuck",
        "machine-failure",
        "gateway-crash",
        "trunk-squeeze",
        "bandwidth-squeeze",
        "consumer-crash",
    }


@pytest.mark.parametrize("name", library_names())
def test_each_has_a_story_objectives_and_expectations(name: str) -> None:
    scenario = load(name)
    assert scenario.name == name
    assert len(scenario.story.split()) > 30
    assert scenario.objectives
    assert scenario.expectations
    assert scenario.warm_up_us > 0


@pytest.mark.parametrize("name", library_names())
@pytest.mark.parametrize("devices", [100, 500, 100_000])
def test_each_can_be_played_by_a_smaller_or_larger_fleet(name: str, devices: int) -> None:
    assert load(name, devices=devices).fleet.devices == devices


SUGGESTED = [
    ("reboot-storm", "fleet.reconnect.jitter=none"),
    ("broker-outage", "fleet.reconnect.backoff=fixed"),
    ("broker-outage", "steps.outage.with.connections=silent"),
    ("core-outage", "broker.offline_queue=1000"),
    ("dark-lamps", "fleet.segments.sensors.mesh.range=40m"),
    ("dear-bytes", "firmware[1.0.0].codec=cbor"),
    ("dear-bytes", "firmware[1.0.0].wire=lean.wire.yaml"),
    ("drained-node", "fleet.reconnect.cap=10min"),
    ("flood-watch", "fleet.segments.edge.gateway.buffer.readings=100"),
    ("flood-watch", "steps.flood.with.factor=2"),
    ("full-flash", "steps.log.with.readings=60"),
    ("gateway-night", "fleet.segments.modern.gateway.buffer.readings=200"),
    ("gateway-night", "fleet.segments.modern.gateway.store=memory"),
    ("partition", "fleet.keep_alive=20s"),
    ("partition", "steps.long.with.direction=down"),
    ("small-pool", "processing.scale.most=2"),
    ("small-pool", "processing.by=site"),
    ("thin-line", "fleet.sites.oslo.trunk.rate=1MB/s"),
    ("thin-line", "steps.narrow.with.to=20kB/s"),
    ("winter-night", "fleet.segments.sensors.power.temperature=20C"),
]


@pytest.mark.parametrize(("name", "setting"), SUGGESTED)
def test_what_a_story_suggests_to_try_can_be_tried(name: str, setting: str) -> None:
    scenario = load(name, [setting])
    assert f"--set {setting}" in " ".join((scenario.story, *scenario.look_for))


def test_every_suggestion_is_tried_here() -> None:
    told = {
        (name, word)
        for name in library_names()
        for text in (load(name).story, *load(name).look_for)
        for before, word in zip(text.split(), text.split()[1:], strict=False)
        if before == "--set"
    }
    assert {(name, word.rstrip(".,;:")) for name, word in told} == set(SUGGESTED)
