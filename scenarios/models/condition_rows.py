"""Rows that teach or judge a model of conditions: a recorded run played again, with the truth about its machines.

Rows are made by the very class by which a detector makes them. What stands beside each is what its twin knew at the
end of that minute: what failed, how healthy it was, and how long it would last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.condition import NONE, SHOWS, WEAR, WORN, Taught
from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.minutes import Minutes
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.run import build
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.models.training import UnfitRun, channels_of, kind_of, watched_by
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.record.readings import repeatable
from twinstorm.twin.chance import device_key, stream, words
from twinstorm.twin.condition import Conditions
from twinstorm.twin.flow import MINUTE_US, Int, Values

MOST_ROWS: Final = 20_000
"""Of a run; the fit of all its trees takes seconds then."""
_DRAW: Final = 0
"""Stream of the draw of rows; purposes of runs begin at 1."""
_LOT: Final = float(1 << 32)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run has to say.

    Attributes:
        keys: uint64, of the devices of the kind, in the order of `taught.device`.
        of_rows: minutes of devices, from which the rows were drawn.
    """

    kind: str
    channels: tuple[str, ...]
    keys: NDArray[np.uint64]
    taught: Taught
    of_rows: int


class _Rows(Minutes):
    """Keeps rows instead of judging them: those that the lot names."""

    name: ClassVar[str] = "minutes"
    summary: ClassVar[str] = "rows that teach a model of conditions"

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.seen = 0
        self._parts: list[tuple[Reals, Int, Int]] = []

    def draw_by(self, keys: NDArray[np.uint64], seed: int, share: float, since_us: int, to_us: int) -> None:
        """Before the first: the key of each device, which share of the rows to keep, and of which time."""
        self._keys, self._stream, self._share = keys, stream(seed, _DRAW), share
        self._since_us, self._to_us = since_us, to_us

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        if learns:
            lot = words(self._stream, self._keys[device], at_us // MINUTE_US) >> np.uint64(32)
            wanted = (at_us >= self._since_us) & (at_us <= self._to_us)
            self.seen += int(np.count_nonzero(wanted))
            kept = wanted & (lot < self._share * _LOT)
            if kept.any():
                self._parts.append((rows[kept], device[kept], at_us[kept]))
        return np.zeros(len(rows))

    def drawn(self) -> tuple[Reals, Int, Int]:
        """Rows, devices and times, by time and device; there is some."""
        rows, device, at_us = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.lexsort((device, at_us))
        return rows[order], device[order], at_us[order]


class _Truths:
    """What is true of some devices at every full minute of a run."""

    def __init__(self, device: NDArray[np.intp]) -> None:
        self._device = device
        self._modes: dict[str, int] = {}
        self._mode: list[NDArray[np.int16]] = []
        self._severity: list[Values] = []
        self._health: list[Values] = []
        self._remaining_s: list[Values] = []

    def add(self, found: Conditions) -> None:
        """Of the next minute."""
        places = [self._modes.setdefault(mode, len(self._modes)) for mode in found.modes]
        # The last one is that of -1: nothing fails.
        self._mode.append(np.array([*places, -1], np.int16)[found.mode[self._device]])
        self._severity.append(found.severity[self._device])
        self._health.append(found.health[self._device])
        self._remaining_s.append(found.remaining_s[self._device])

    def of(self, rows: Reals, device: Int, at_us: Int) -> Taught:
        """These rows with what was true then."""
        minute = at_us // MINUTE_US
        there = minute < len(self._mode)
        rows, device, at_us, minute = rows[there], device[there], at_us[there], minute[there]
        mode, severity = np.stack(self._mode)[minute, device], np.stack(self._severity)[minute, device]
        health = np.stack(self._health)
        names = np.array([*self._modes, NONE])
        failure = np.where(severity >= SHOWS, names[mode], np.where(severity > 0.0, "", NONE))
        failure = np.where((failure == NONE) & (health[minute, device] < WORN), WEAR, failure)
        told_h = np.stack(self._remaining_s)[minute, device] / 3_600.0
        hours = np.minimum(told_h, _until_end(health)[minute, device] / 60.0)
        return Taught(rows, device, at_us, failure, health[minute, device].astype(np.float64), hours.astype(np.float64))


def _until_end(health: Values) -> Reals:
    """Minutes until each machine was really at its end in this run, float64 (minutes, devices); inf: it was not, or was
    repaired before. What a twin expects is at its present pace, and a failure may still grow."""
    left = np.full(health.shape, np.inf)
    after = np.full(health.shape[1], np.inf)
    for minute in range(len(health) - 1, -1, -1):
        if minute + 1 < len(health):
            after = np.where(health[minute + 1] > health[minute], np.inf, after + 1.0)
        after = np.where(health[minute] <= 0.0, 0.0, after)
        left[minute] = after
    return left


def play(
    run: RecordedRun,
    kind: str,
    channels: Sequence[str] | None,
    seed: int,
    from_us: int | None = None,
    to_us: int | None = None,
) -> Seen:
    """Play a run again and keep rows of the devices of a kind.

    Args:
        kind: of machine; empty: the only one of the run.
        channels: None: all but angles, counters and codes.
        seed: of the draw, where there are more than `MOST_ROWS`.
        from_us, to_us: of the run; None: from the end of the warm-up, to its end.

    Raises:
        NotRecorded: nobody can play it again.
        UnfitRun: no such kind or channel, or nothing was told of it for long enough.
        Unavailable: this machine has not enough memory.
    """
    scenario, options = repeatable(run)
    engine = build(watched_by(scenario, {}), options)
    registry = engine.registry
    kind = kind_of(registry, kind)
    chosen = channels_of(registry, kind, channels)
    mine = registry.kind == registry.kinds.index(kind)
    device = np.flatnonzero(mine)
    tap = OnFleet(_Rows, registry, {"on": mine, "channels": list(chosen)})
    rows = tap.detector
    assert isinstance(rows, _Rows)
    rows.of_width(len(chosen))
    keys = np.array([device_key(registry.names[each]) for each in device.tolist()], np.uint64)
    since_us = max(scenario.warm_up_us, from_us or 0)
    until_us = engine.end_us if to_us is None else min(to_us, engine.end_us)
    most = max((until_us - since_us) // MINUTE_US, 1) * len(device)
    rows.draw_by(keys, seed, min(MOST_ROWS / most, 1.0), since_us, until_us)
    engine.core.listen(tap)
    truths = _watched(engine, device)
    engine.wiring.close()
    if tap.broken:
        raise UnfitRun(f"the readings of this run cannot be learnt from: {tap.broken}")
    if not rows.seen:
        raise UnfitRun(
            f"no `{kind}` of {run.about.scenario} told {', '.join(chosen)} for long enough; the first ten minutes of a "
            "device are those of its level, and the warm-up counts for nothing"
        )
    return Seen(kind, chosen, keys, truths.of(*rows.drawn()), rows.seen)


def _watched(engine: Engine, device: NDArray[np.intp]) -> _Truths:
    """Play to the end; at every full minute, the first included, what is true then."""
    truths = _Truths(device)
    assert isinstance(engine.wiring, ModelledWiring)
    sampler = engine.wiring.world.sampler
    truths.add(sampler.conditions(0))
    while not engine.ended:
        next_us = engine.now_us // MINUTE_US * MINUTE_US + MINUTE_US
        engine.advance(next_us)
        truths.add(sampler.conditions(engine.now_us))
    return truths
