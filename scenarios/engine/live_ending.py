"""How a live run ends: what was sent arrives, or every connection is closed at once, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Callable

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.live_wiring import LiveWiring
from twinstorm.scenarios.engine.worker import DRAIN_S, Finish

_PAUSE_S = 0.01
_QUIET_S = 0.5
"""Nothing has arrived for so long after the worker's last word: nothing more comes."""
CLEAN_S, CLEAN_AT_ONCE_S = 3.0, 0.6
"""How long to wait until a broker has forgotten what the run retained."""
CUT_S = 0.8
"""How long a fleet may take to close its connections before its process is ended: two seconds are for all together."""


def drain(
    wiring: LiveWiring,
    engine: Engine,
    at_once: Callable[[], bool],
    *,
    held_open: bool,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Let what was sent arrive: at most `DRAIN_S`, then what is missing is unexplained.

    Args:
        at_once: somebody wants it to end: close every connection, within `CUT_S` whatever the broker does. Asked
            again while something is waited for.
        held_open: the broker outlives the run.
        meanwhile: called between two looks at what has arrived.

    Raises:
        Unavailable: the worker, or a broker that is not ours, is not there: nothing can be judged.
    """
    if at_once():
        _cut(wiring, engine, held_open)
        return
    fleet = wiring.fleet
    fleet.send(Finish(engine.now_us))
    until = time.monotonic() + DRAIN_S + 5.0
    while fleet.final is None and wiring.trouble() is None and time.monotonic() < until:
        if at_once():
            _cut(wiring, engine, held_open)
            return
        wiring.listen()
        _deliver(wiring, engine)
        if meanwhile is not None:
            meanwhile()
        time.sleep(_PAUSE_S)
    quiet_since = time.monotonic()
    while time.monotonic() < min(until, quiet_since + _QUIET_S):
        if _deliver(wiring, engine):
            quiet_since = time.monotonic()
        time.sleep(_PAUSE_S)
    trouble = wiring.trouble(0.0)
    wiring.clean(CLEAN_S, held_open=held_open)
    wiring.books.close(engine.core)
    if trouble is not None:
        raise trouble


def _cut(wiring: LiveWiring, engine: Engine, held_open: bool) -> None:
    """Close every connection now, of the fleet first, and count what has arrived until then."""
    fleet, began = wiring.fleet, time.monotonic()
    if fleet.started:
        fleet.send(Finish(engine.now_us, at_once=True))
        until = began + CUT_S
        while not (fleet.final or fleet.left_early or wiring.trouble()) and time.monotonic() < until:
            wiring.listen()
            _deliver(wiring, engine)
            time.sleep(_PAUSE_S)
    took = f"{time.monotonic() - began:.1f} s"
    if fleet.final is None and not fleet.left_early:
        fleet.kill()  # busy, or broken: its connections go with it
        wiring.closing = f"the fleet did not answer within {took}: its process was ended, its connections with it"
    else:
        wiring.closing = f"every connection of the fleet was closed within {took}"
    wiring.clean(CLEAN_AT_ONCE_S, held_open=held_open)
    wiring.cloud.close(at_once=True)
    _deliver(wiring, engine)
    wiring.books.close(engine.core)


def _deliver(wiring: LiveWiring, engine: Engine) -> int:
    before = engine.core.arrived
    outcome = wiring.collect(wiring.now_us())
    for delivery in outcome.deliveries:
        engine.core.ingest(delivery)
    return int(engine.core.arrived - before)
