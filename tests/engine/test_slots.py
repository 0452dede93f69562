"""A boot loader with two slots: when it takes the other image, when not, and what then is over. And other schemas."""

from __future__ import annotations

import numpy as np

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import MINUTE_US, SECOND_US

TEXT = """storm: 1
name: slots
story: A bad image, and a boot loader that knows another.
duration: 15 min
firmware:
  2.5.0: {image}
  2.4.1: {other}
fleet:
  devices: 40
  boot: 5 s
  every: 10 s
  segments:
    good: {{kind: environment, share: 50 %}}
    bad: {{kind: environment, share: 50 %, firmware: 2.5.0}}
steps: [{steps}]
expect:
  - {{ledger: delivered, at_least: 1}}
"""
LOOP = "{fault: crash-loop, with: {uptime: 20 s}, slots: {other: 2.4.1, boot_limit: 3, healthy: 1 min}}"


def engine(image: str, other: str = "{qos: 1}", steps: str = "") -> Engine:
    text = TEXT.format(image=image, other=other, steps=steps)
    return build(read(text, "slots.storm.yaml"), RunOptions(seed=2))


def played(image: str, other: str = "{qos: 1}", steps: str = "") -> Engine:
    made = engine(image, other, steps)
    made.play()
    assert made.ledger().difference == 0
    assert (made.core.boot[good(made)] == 1).all(), "somebody else booted"
    return made


def told(made: Engine) -> RunResult:
    return result_of(made, speed=0.0, wall_s=0.0, repeat="")


def good(made: Engine) -> np.ndarray:
    return np.flatnonzero(made.registry.segment == made.registry.segments.index("good"))


def boots(made: Engine) -> set[int]:
    return set(np.delete(made.core.boot, good(made)).tolist())


def fell_back(made: Engine) -> int:
    return made.wiring.log.counts.get(Code.FELL_BACK, 0)


def test_after_the_limit_of_boots_every_device_runs_the_other_image_and_crashes_no_more() -> None:
    made = played(LOOP)
    # The first boot and three that count; the fourth is above the limit.
    assert boots(made) == {1 + 4}
    assert fell_back(made) == 20
    (fault,) = told(made).faults
    assert fault.evidence == {"devices_reset": 80, "devices_on_the_other_slot": 20}
    assert any("20 devices of firmware=2.5.0 fell back" in note for note in told(made).notes)
    assert made.wiring.online().all()


def test_without_another_slot_they_crash_to_the_end() -> None:
    made = played("{fault: crash-loop, with: {uptime: 20 s}}")
    assert min(boots(made)) > 15
    assert fell_back(made) == 0


def test_the_limit_is_that_of_the_file() -> None:
    assert boots(played(LOOP.replace("boot_limit: 3", "boot_limit: 1"))) == {1 + 2}


def test_a_device_that_is_well_between_two_crashes_keeps_its_image() -> None:
    """Up 50 to 150 s each time: well after 10 s, so that no two boots come in a row."""
    slow = LOOP.replace("uptime: 20 s", "uptime: 100 s").replace("healthy: 1 min", "healthy: 10 s")
    made = played(slow)
    assert fell_back(made) == 0
    assert min(boots(made)) > 4


def test_up_without_a_session_is_not_well() -> None:
    slow = LOOP.replace("uptime: 20 s", "uptime: 100 s").replace("healthy: 1 min", "healthy: 10 s")
    made = played(slow, steps="{name: cut, at: 1 s, fault: partition, target: firmware=2.5.0}")
    assert fell_back(made) == 20, "who never reaches the broker trusts no image"


def test_boots_count_whatever_caused_them() -> None:
    flicker = ", ".join(
        f"{{name: f{number}, at: {60 + 20 * number} s, fault: power-outage, target: segment=bad, lasts: 2 s}}"
        for number in range(4)
    )
    made = played("{slots: {other: 2.4.1}}", steps=flicker)
    assert (fell_back(made), boots(made)) == (20, {5})
    assert not made.core.dead_letters


def test_hazards_of_the_bad_image_end_and_those_of_the_other_begin() -> None:
    """Memory for 1 min and a watchdog: a boot every 70 s or so, well only after 2 min; then a crash in 4 min each."""
    leaks = "{watchdog: 5 s, hazards: {leak: 1.5 MB/min}, slots: {other: 2.4.1, boot_limit: 2, healthy: 2 min}}"
    safe, crashes = played(leaks), played(leaks, "{hazards: {crash_every: 4 min}}")
    assert fell_back(safe) == fell_back(crashes) == 20
    assert boots(safe) == {4}
    # About 11 min are left of the run.
    assert 20 < (np.delete(crashes.core.boot, good(crashes)) - 4).sum() < 100
    assert any("fell back" in note for note in told(safe).notes), "no fault tells of it"


def test_a_fault_of_a_step_goes_on_after_the_fall_back() -> None:
    steps = "{name: loop, at: 8 min, fault: crash-loop, target: segment=bad, with: {uptime: 20 s}}"
    made = played(LOOP, steps=steps)
    assert min(boots(made)) > 10


def test_a_run_that_is_saved_in_the_midst_of_it_goes_on_alike() -> None:
    whole, first = played(LOOP), engine(LOOP)
    first.advance(70 * SECOND_US)
    rest = Engine.load(first.save())
    rest.play()
    assert rest.wiring.log.digest() == whole.wiring.log.digest()


def test_documents_of_a_schema_that_the_core_does_not_know_are_dead_letters_with_their_number() -> None:
    made = played("{schema: 2}")
    assert set(made.core.dead_letters) == {"unknown schema 2"}
    assert made.ledger().lost == {"dead_letter": 20 * 90}
    assert (np.delete(made.core.accepted_per_device, good(made)) == 0).all()


def test_the_other_image_speaks_its_own_schema() -> None:
    spoken = LOOP.replace("{fault", "{schema: 2, fault")
    made = engine(spoken)
    made.advance(5 * MINUTE_US)
    letters = sum(made.core.dead_letters.values())
    assert letters > 0
    made.play()
    assert sum(made.core.dead_letters.values()) == letters, "all run 2.4.1 by now"
    odd = played(LOOP, "{schema: 3}")
    assert set(odd.core.dead_letters) == {"unknown schema 3"}
    assert odd.ledger().difference == 0
