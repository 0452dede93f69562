"""A fleet that does not fit is refused before anything of it exists, and told how many would fit."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from twinstorm.scenarios.engine import memory
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.run import Run, RunOptions, build
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import load, read
from twinstorm.twin import output
from twinstorm.twin.flow import SECOND_US

GIB = 2**30


def have(monkeypatch: pytest.MonkeyPatch, available: int | None) -> None:
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: available)


def test_ten_million_devices_are_refused_before_the_fleet_is_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(*_: object) -> None:
        raise AssertionError("something was made of it")

    have(monkeypatch, 2 * GIB)
    monkeypatch.setattr("twinstorm.twin.world.grow", grow)
    monkeypatch.setattr("twinstorm.scenarios.engine.run.fleet_plan", grow)
    scenario = load("partition", devices=10_000_000)
    with pytest.raises(Unavailable, match=r"memory for 10,000,000 devices .* free: [\d,]+ devices fit") as raised:
        Run(scenario, RunOptions()).execute()
    fit = int(raised.value.why.partition("free: ")[2].split()[0].replace(",", ""))
    memory.refuse_what_cannot_fit(load("partition", devices=fit))
    with pytest.raises(Unavailable):
        memory.refuse_what_cannot_fit(load("partition", devices=fit * 11 // 10))


def test_not_even_one_device_may_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, 100)
    with pytest.raises(Unavailable, match=r"0\.0 MiB free: not one device fits"):
        memory.refuse_what_cannot_fit(load("partition"))


def test_a_system_that_does_not_say_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, None)
    memory.refuse_what_cannot_fit(load("partition", devices=10_000_000))


WATCHED = """storm: 1
name: watched
story: Machines whose values somebody looks at.
duration: 10 min
fleet:
  devices: 100000
  segments: {climate: {kind: environment, share: 60 %}, motors: {kind: motor, share: 40 %}}
detectors:
"""


def test_what_detectors_on_values_remember_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(detector: str) -> Scenario:
        return read(f"{WATCHED}  {detector}\n", "watched.storm.yaml")

    nothing = memory.needed_bytes(watched("silence: {}"))
    one = memory.needed_bytes(watched("flat-line: {on: kind=motor, channels: [current_a]}"))
    assert one - nothing == 40_000 * (48 + memory.BYTES_PER_WATCHED)
    more = memory.needed_bytes(watched("flat-line: {on: kind=motor, channels: [current_a, humidity_pct]}"))
    assert more == one
    have(monkeypatch, GIB)
    memory.refuse_what_cannot_fit(watched("flat-line: {}"))
    with pytest.raises(Unavailable, match=r"free: [\d,]+ devices fit") as raised:
        memory.refuse_what_cannot_fit(watched("context: {}"))
    assert "fewer channels" in raised.value.hint


def test_a_larger_buffer_takes_more() -> None:
    small, large = (
        memory.needed_bytes(load("partition", settings=[f"fleet.buffer.readings={n}"])) for n in (10, 1_000)
    )
    assert large - small == 990 * memory.BYTES_PER_BUFFERED * load("partition").fleet.devices


ONE_KIND = """storm: 1
name: much
story: A fleet of one kind.
duration: 1 min
fleet:
  devices: 30000
  sites: 2
  segments:
    all: {share: 100 %, buffer: {readings: 1}, WHAT}
expect: [{eventually: connectivity >= 0 %}]
"""
ALL_THERE_IS = (
    "power: {battery: 19 Wh}, clock: {drift: 20 ppm}, watchdog: 10 s, hazards: {crash_every: 1 d, leak: 24 kB/h}"
)


@pytest.mark.parametrize(
    "what",
    [
        "kind: motor, link: ethernet",
        f"kind: motor, link: lte-m, {ALL_THERE_IS}",
        f"kind: controller, link: lte-m, {ALL_THERE_IS}",
        "kind: controller, link: lorawan",
        "kind: chiller, link: ethernet, mirror: {}",
    ],
)
def test_a_device_needs_no_more_than_was_estimated_and_not_far_less(what: str) -> None:
    text = ONE_KIND.replace("WHAT", what)

    def taken(devices: int) -> tuple[int, int]:
        scenario = read(text, "much.storm.yaml", (f"fleet.devices={devices}",))
        tracemalloc.start()
        try:
            build(scenario, RunOptions(seed=1)).advance(3 * SECOND_US)
            return tracemalloc.get_traced_memory()[1], memory.needed_bytes(scenario)
        finally:
            tracemalloc.stop()

    taken(100)  # what is imported and made once for all is no part of it
    (small, small_estimate), (large, large_estimate) = taken(36_000), taken(60_000)
    assert 0.4 < (large - small) / (large_estimate - small_estimate) < 1.0


@pytest.mark.parametrize("devices", [20, 1_000, 4_000])
@pytest.mark.parametrize("what", ["kind: controller, link: ethernet", f"kind: controller, link: lte-m, {ALL_THERE_IS}"])
def test_a_small_fleet_needs_no_more_than_was_estimated(what: str, devices: int) -> None:
    def made(devices: int) -> int:
        text = ONE_KIND.replace("WHAT", what)
        scenario = read(text, "much.storm.yaml", (f"fleet.devices={devices}",))
        build(scenario, RunOptions(seed=1)).advance(5 * SECOND_US)
        return memory.needed_bytes(scenario)

    made(20)  # what is imported is no part of it
    tracemalloc.start()
    try:
        estimate = made(devices)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken <= estimate
    assert devices < 1_000 or taken > 0.3 * estimate


def test_a_look_is_as_wide_as_the_world_takes_it() -> None:
    assert memory.BLOCK_DEVICES == output.BLOCK_DEVICES


def test_the_tightest_of_all_bounds_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    group = tmp_path / "a" / "b"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("5\n")
    (tmp_path / "a" / "memory.max").write_text("1000\n")
    (tmp_path / "a" / "memory.current").write_text("400\n")
    (tmp_path / "self").write_text("1:name=x:/y\n0::/a/b\n")
    assert memory._of_group(tmp_path, tmp_path / "self") == 600
    assert memory._of_group(tmp_path, tmp_path / "none") is None
    monkeypatch.setattr(memory, "_free", lambda: 10_000)
    monkeypatch.setattr(memory, "_of_process", lambda: None)
    monkeypatch.setattr(memory, "_of_group", lambda: 600)
    assert memory.available_memory_bytes() == 600
    monkeypatch.setattr(memory, "_of_process", lambda: -5)
    assert memory.available_memory_bytes() == 0


def test_what_a_correlation_looks_back_on_counts() -> None:
    text = (
        WATCHED.replace(
            "detectors:\n",
            """windows:
  a: {of: motor.current_a, by: device, every: 10 s}
  b: {of: motor.winding_temperature_c, by: device, every: 10 s}
correlations: {c: {left: a, right: b, over: OVER}}
detectors:
""",
        )
        + "  silence: {}\n"
    )
    few, many = (memory.needed_bytes(read(text.replace("OVER", over), "watched.storm.yaml")) for over in ("10", "1010"))
    assert many - few == 1_000 * 40_000 * memory.BYTES_PER_END
