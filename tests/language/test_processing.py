"""`processing` in the language: defaults, what does not go together, and what only it makes sense of."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.model import Functions, Processing, Scale, Stamps
from twinstorm.scenarios.language.reader import read

FILE = """storm: 1
name: pool
story: Who processes readings.
duration: 10 min
fleet:
  devices: 20
  segments: {motors: {kind: motor, share: 100 %}}
processing: {service: 2 ms}
steps:
  - {name: crash, at: 1 min, fault: consumer-crash}
expect:
  - never: lag > 1000
"""
WRITTEN = "processing: {service: 2 ms}"


def test_defaults_are_one_consumer_and_no_limit() -> None:
    assert read(FILE, "pool.storm.yaml").processing == Processing(
        service_us=2_000,
        by="device",
        partitions=16,
        consumers=1,
        start_us=30_000_000,
        checkpoint_us=0,
        scale=None,
        room=None,
        shed="newest",
        functions=None,
    )


@pytest.mark.parametrize(("rate", "service_us"), [("500/s", 2_000), ("25 %/s", 200_000), ("1000000/s", 1)])
def test_a_rate_is_another_way_to_say_how_long_a_reading_takes(rate: str, service_us: int) -> None:
    found = read(FILE.replace("service: 2 ms", f"rate: {rate}"), "pool.storm.yaml").processing
    assert found is not None
    assert found.service_us == service_us


def test_scaling_is_by_lag_or_by_how_busy_consumers_are() -> None:
    for written, scale in (
        ("{lag: 500}", Scale(500, None, 1, 16, 300_000_000)),
        ("{busy: 70 %, most: 4, down_after: 1 min}", Scale(None, 0.7, 1, 4, 60_000_000)),
    ):
        found = read(FILE.replace("2 ms", f"2 ms, scale: {written}"), "pool.storm.yaml").processing
        assert found is not None
        assert found.scale == scale


def test_functions_take_the_place_of_consumers() -> None:
    text = FILE.replace("2 ms", "2 ms, serverless: {cold: 400 ms, price: 0.0000002}")
    text = text.replace("  - {name: crash, at: 1 min, fault: consumer-crash}\n", "  - {mark: here, at: 1 min}\n")
    found = read(text, "pool.storm.yaml").processing
    assert found is not None
    assert found.functions == Functions(400_000, 600_000_000, 1_000, 2e-7, 0.0)


def test_stamps_follow_one_reading_in_so_many() -> None:
    found = read(FILE + "stamps: {every: 50, lateness: 5 s}\n", "pool.storm.yaml").stamps
    assert found == Stamps(50, 60_000_000, 5_000_000)


@pytest.mark.parametrize(
    ("old", "new", "codes", "said"),
    [
        (WRITTEN, "processing: {}", ["S212"], "write one of `service`"),
        ("2 ms", "2 ms, rate: 500/s", ["S212"], "write one of `service`"),
        ("service: 2 ms", "rate: 0/s", ["S210"], "is less than"),
        ("2 ms", "0 ms", ["S210"], "`0 ms` is less than 1 us"),
        ("2 ms", "2 ms, consumers: 20", ["S212"], "20 consumers have 16 partitions"),
        ("2 ms", "2 ms, by: gateway", ["S212"], "no device is behind a gateway"),
        ("2 ms}", "2 ms}\nstamps: {window: 1 s}", ["S105"], "the key `every` is missing"),
        ("2 ms}", "2 ms}\nstamps: {every: 0}", ["S210"], "less than 1"),
        ("2 ms", "2 ms, shed: oldest", ["S212"], "there is room for any number"),
        ("2 ms", "2 ms, scale: {}", ["S212"], "write one of `lag` and `busy`"),
        ("2 ms", "2 ms, scale: {lag: 5, busy: 70 %}", ["S212"], "write one of `lag` and `busy`"),
        ("2 ms", "2 ms, consumers: 3, scale: {lag: 5, most: 2}", ["S212"], "the pool begins with 3 consumers"),
        ("2 ms", "2 ms, scale: {lag: 5, least: 2}", ["S212"], "the pool begins with 1 consumers"),
        ("2 ms", "2 ms, consumrs: 3", ["S102"], "unknown key `consumrs`"),
        ("2 ms", "2 ms, room: 10, serverless: {}", ["S212"], "`room` is about consumers"),
        (WRITTEN, "tags: [a]", ["S310", "S309"], "there is no `lag` without `processing`"),
        ("2 ms}", "2 ms, serverless: {}}", ["S309"], "`consumer-crash` has no consumer to strike"),
        ("fault: consumer-crash", "fault: consumer-crash, with: {consumers: 0}", ["S210"], "is less than 1"),
    ],
)
def test_what_does_not_fit_is_told(old: str, new: str, codes: list[str], said: str) -> None:
    assert old in FILE
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace(old, new), "pool.storm.yaml")
    assert sorted(problem.code for problem in told.value.problems) == sorted(codes)
    assert any(said in problem.message for problem in told.value.problems)
