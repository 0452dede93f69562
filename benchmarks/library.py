"""Every scenario of the library on both clocks: in virtual time, live, and live over TLS with certificates both ways.

A live run mostly waits, so several play at once. The fleets are as small as the scenario bears; the verdict of the
small fleet in virtual time is what the live ones are held to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.harness import Result
from twinstorm.scenarios.language.reader import library_names

AT_ONCE: Final = 3
_PROGRAM: Final = str(Path(sys.executable).parent / "twinstorm")
SEED: Final = 42


@dataclass(frozen=True)
class Play:
    """How a scenario is played live.

    Attributes:
        speed: simulated seconds a second: keep-alives must last 2 s on the wall, and a reading of a whole fleet must
            get through in its period.
        quick: short enough for a rough look.
    """

    devices: int = 200
    speed: int = 10
    quick: bool = False


PLAYS: Final[dict[str, Play]] = {
    "all-quiet": Play(60, 10),
    "bad-firmware": Play(60, 20),
    "broker-outage": Play(60, 12),
    "core-outage": Play(60, 20, quick=True),
    "dear-bytes": Play(60, 20),
    "drained-node": Play(60, 12, quick=True),
    "flood-watch": Play(100, 20, quick=True),
    "full-flash": Play(60, 12),
    "gateway-night": Play(100, 30),
    "lost-clocks": Play(60, 12, quick=True),
    "partition": Play(60, 12),
    "reboot-storm": Play(60, 12),
    "short-crew": Play(50, 12, quick=True),
    "small-pool": Play(60, 12),
    "stuck-sensor": Play(60, 10),
    "thin-line": Play(300, 4),
    "winter-night": Play(1_000, 6),
    "worn-bearings": Play(100, 30),
}
"""Where that is not just any: what a verdict needs, such as a gateway a site, or enough handshakes for a line."""
WAYS: Final[dict[str, tuple[str, ...]]] = {"virtual": (), "live": ("--live",), "live TLS": ("--live", "--tls")}


@dataclass(frozen=True)
class Outcome:
    """What a run said.

    Attributes:
        missed: objectives and expectations that did not hold, and why.
    """

    verdict: str
    wall_s: float
    missed: tuple[str, ...] = ()


def way_to_play(scenario: str) -> Play:
    return PLAYS.get(scenario, Play())


def play(scenario: str, way: str) -> Outcome:
    """One run in a process of its own."""
    how = way_to_play(scenario)
    speed = ("--speed", str(how.speed)) if way != "virtual" else ()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [_PROGRAM, "run", scenario, "--seed", str(SEED), "--json", "--out", folder]
        run = subprocess.run(
            [*command, "--devices", str(how.devices), "--no-progress", *WAYS[way], *speed],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent.parent,
        )
    wall_s = time.monotonic() - began
    if not run.stdout:
        return Outcome("refused", wall_s, (" ".join(run.stderr.split()),))
    told = json.loads(run.stdout)
    missed = [
        f"{each['text']}: {each['value']}{', ' * bool(each['why'])}{each['why']}"
        for each in told["expectations"]
        if each["verdict"] != "held"
    ]
    return Outcome(told["verdict"], wall_s, tuple(missed))


def bench(pieces: Sequence[str] = (), quick: bool = False) -> Iterator[Result]:
    """Three quarters of an hour for all of them; with `quick` the short ones, some seven minutes."""
    names = pieces or [name for name in library_names() if way_to_play(name).quick or not quick]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs: dict[tuple[str, str], Future[Outcome]] = {
            (name, way): pool.submit(play, name, way) for name in names for way in WAYS
        }
        for name in names:
            virtual = runs[name, "virtual"].result()
            for way in WAYS:
                yield _told(name, way, runs[name, way].result(), virtual)


def _told(name: str, way: str, outcome: Outcome, virtual: Outcome) -> Result:
    said = f"{name}, {way}: {outcome.verdict}" + "".join(f"; {line}" for line in outcome.missed)
    wanted = "held" if way == "virtual" else f"{virtual.verdict}, as in virtual time"
    met = outcome.verdict == ("held" if way == "virtual" else virtual.verdict)
    return Result(name=said, value=round(outcome.wall_s, 1), unit="s", required=wanted, met=met)


PIECES: Final = dict.fromkeys(library_names())
