"""A run played in legs, each by a process that has played nothing and knows of the others only their snapshot.

A leg is an instant in us, where it ends; ``shared:US``, which ends there or later between two stories of one instant;
``inside``, which ends inside a story of the instant that it begins at; or ``end``. In each the run is watched, and
saved on the way: it must notice neither.

`python -m tests.engine.legs FILE LEG...` goes on from the snapshot in the file, and tells digest and ledger of the end.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.language.model import Scenario
from twinstorm.twin.flow import SECOND_US

ROOT = Path(__file__).resolve().parents[2]
LOOK_US = 7_777_777
"""How often somebody looks: in step with nothing."""


def stops_of(scenario: Scenario) -> tuple[list[int], int]:
    """Any instants will do. The other is as late as its first fault is long."""
    chance = random.Random(scenario.name)
    stops = sorted(chance.randrange(scenario.duration_us) for _ in range(3))
    return stops, next((step.lasts_us for step in scenario.steps if step.lasts_us), 60 * SECOND_US)


def play(engine: Engine, leg: str) -> None:
    how, _, instant = leg.rpartition(":")
    if leg == "end":
        _watch(engine, engine.end_us)
        assert engine.ended
    elif leg == "inside":
        # The pane of a second asks for a snapshot, taken when it has acted.
        at_us = engine.now_us
        while engine.now_us == at_us:
            engine.step()
    elif how == "shared":
        # A pane and the sampling of the same second.
        at_us = max(engine.now_us, int(instant)) // SECOND_US * SECOND_US + SECOND_US
        _watch(engine, at_us - 1)
        engine.step()
        assert engine.now_us == at_us == engine.next_us()
    else:
        _watch(engine, int(instant))


def _watch(engine: Engine, until_us: int) -> None:
    middle_us = (engine.now_us + until_us) // 2
    while engine.now_us < until_us and not engine.ended:
        if engine.now_us <= middle_us < engine.now_us + LOOK_US:
            engine.save()
        engine.advance(min(engine.now_us + LOOK_US, until_us))


def go_on(file: Path, *legs: str) -> list[str]:
    """Digest and what the ledger lacks at the end of a run that goes on, in a fresh interpreter, from a snapshot."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(file), *legs],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    return done.stdout.split()


def _play_in_a_process(file: Path, leg: str) -> None:
    """Forked from an interpreter that has imported everything and played nothing, which spares a start per leg."""
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0, f"leg {leg} failed"
        return
    try:
        engine = Engine.load(file.read_bytes())
        play(engine, leg)
        if leg == "end":
            sys.stdout.write(f"{engine.wiring.log.digest()} {engine.ledger().difference}\n")
            sys.stdout.flush()
        file.write_bytes(engine.save())
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    for each in sys.argv[2:]:
        _play_in_a_process(Path(sys.argv[1]), each)
