"""Every library scenario: stop anywhere, save, go on in a fresh interpreter: the digest of the uninterrupted run.

In the gate each is played in legs with everything at once that must change nothing, by `test_library.py`, where the
uninterrupted runs are. Which of them did change something is told by the nightly tests here, where each comes alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import legs
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.reader import library_names, load
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import SECOND_US

DEVICES = 1_000

GO_ON = """
import sys
from pathlib import Path
from twinstorm.scenarios.engine.engine import Engine
for name in sys.argv[1:]:
    engine = Engine.load(Path(name).read_bytes())
    engine.play()
    print(name, engine.wiring.log.digest(), engine.ledger().difference)
"""


def finish(engine: Engine) -> RunResult:
    engine.play()
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


@pytest.mark.nightly
@pytest.mark.parametrize("name", library_names())
def test_a_run_saved_anywhere_goes_on_in_a_fresh_interpreter(name: str, tmp_path: Path) -> None:
    scenario = load(name, devices=DEVICES)
    stops, shared_us = legs.stops_of(scenario)
    engine = build(scenario, RunOptions(seed=42))
    saved: dict[str, bytes] = {}
    for number, at_us in enumerate(stops):
        engine.advance(at_us)
        saved[f"random-{number}"] = engine.save()
        if number == 0:
            # An instant that several stories share, between two of them: a pane and the sampling of the same second.
            later_us = max(engine.now_us, shared_us) // SECOND_US * SECOND_US + SECOND_US
            engine.advance(later_us - 1)
            engine.step()
            assert engine.now_us == later_us == engine.next_us()
            saved["shared"] = engine.save()
            # From inside a story: the pane of the next second asks for a snapshot, taken when it has acted.
            while engine.now_us == later_us:
                engine.step()
            saved["inside"] = engine.save()
    expected = finish(build(scenario, RunOptions(seed=42)))
    assert finish(engine).digest == expected.digest, "saving changed the run that was saved"
    for stop, snapshot in saved.items():
        (tmp_path / stop).write_bytes(snapshot)
    said = subprocess.run(
        [sys.executable, "-c", GO_ON, *(str(tmp_path / stop) for stop in saved)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    ).stdout
    digests = [line.split()[1:] for line in said.splitlines()]
    assert digests == [[expected.digest, "0"]] * len(saved)


def test_block_size_changes_nothing_where_messages_wait_for_the_core() -> None:
    """A queue serves a batch from its first arrival on, so that half a batch would be served otherwise."""
    scenario = load("all-quiet", ["broker.messages={rate: 6 %/s, queue: 500}", "duration=4min"], devices=500)
    digests = set()
    for block in (97, 16_384):
        plan, settings = fleet_plan(scenario), broker_settings(scenario)
        digests.add(finish(Engine(scenario, 42, ModelledWiring(plan, settings, 42, block_devices=block))).digest)
    assert len(digests) == 1


@pytest.mark.nightly
@pytest.mark.parametrize("name", library_names())
def test_watching_and_block_size_change_nothing(name: str) -> None:
    scenario = load(name, devices=DEVICES)
    expected = finish(build(scenario, RunOptions(seed=42))).digest
    watched = build(scenario, RunOptions(seed=42))
    at_us = 0
    while not watched.ended:
        at_us += 7_777_777
        watched.advance(min(at_us, watched.end_us))
    assert watched.wiring.log.digest() == expected
    other = build(scenario, RunOptions(seed=42))
    other.wiring.world.output._block_devices = 333  # type: ignore[attr-defined]
    assert finish(other).digest == expected
