"""Training: from a recorded run to a model of the healthy devices of one kind.

A record keeps no readings, so the run is played again, and the features are made by the very class by which a detector
makes them. What belongs to a fault is left out: the labels of the run say which devices were struck and for how long.
Of the rows that are left, as many as may teach a model are drawn by lot, by keys of a seed, so that neither the order
of delivery nor another device moves the draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.tally import SOONEST_US
from twinstorm.detectors.values.contract import Reals
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.model import LEAST_ROWS, Model
from twinstorm.detectors.values.whole import WholeDevices, held_by, without_times
from twinstorm.scenarios.engine.run import build
from twinstorm.scenarios.engine.truth import labels
from twinstorm.scenarios.language.errors import closest
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.models.manifest import Trained
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.record.readings import repeatable
from twinstorm.twin.chance import device_key, stream, words
from twinstorm.twin.flow import NEVER_US, SECOND_US, Int, Registry, TruthLabel

MOST_ROWS: Final = 20_000
"""That teach a model; the fit of any that is offered takes seconds then."""
SPARE: Final = 2
"""So many times as many are drawn while the run goes on: which of them belong to a fault is known at its end."""
_DRAW: Final = 0
"""Stream of the draw of rows; purposes of runs begin at 1."""


class UnfitRun(ValueError):
    """Why a run can neither teach nor judge a model, and what would do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to train.

    Attributes:
        kind: of machine; empty: the only one of the run.
        channels: None: all but angles, counters and codes.
        from_us, to_us: of the run, by the devices' clocks; None: from the end of the warm-up, to its end.
        rare: share of the rows beyond the limit.
        level: readings of each device that make its level, which are none of the rows; 0: values as they are.
        by_minutes: rows are by minutes, not by rows; see `detectors/values/whole.py`.
    """

    detector: str
    kind: str = ""
    channels: tuple[str, ...] | None = None
    from_us: int | None = None
    to_us: int | None = None
    rare: float = 0.0001
    level: int = 60
    seed: int = 1
    by_minutes: bool = False


@dataclass(frozen=True, slots=True)
class Taught:
    """A model and what taught it. created_us: date of the last of its rows, microseconds since the run began."""

    model: Model
    trained: Trained
    created_us: int


class _Rows(WholeDevices):
    """Keeps rows instead of judging them: those that the lot names, of all that were told.

    Each row has a draw of its own, and the lowest are kept: a sample of a stream whose length nobody knows.
    """

    name: ClassVar[str] = "rows"
    summary: ClassVar[str] = "rows that teach a model"

    def __init__(self, series: int, settings: Mapping[str, Any]) -> None:
        super().__init__(series, settings)
        self.seen = 0
        self.clock: Callable[[], int] = lambda: NEVER_US
        """When the readings that are taken have come."""
        self.since_us, self.to_us = 0, NEVER_US
        """Rows from then to then are drawn from, by the devices' clocks."""
        self._parts: list[tuple[NDArray[np.uint64], Reals, Int, Int, Int]] = []
        self._held = 0
        self._highest = np.uint64(np.iinfo(np.uint64).max)

    def draw_by(self, keys: NDArray[np.uint64], seed: int, most: int) -> None:
        """Before the first: the key of each device, and how many rows to keep."""
        self._keys, self._stream, self._most = keys, stream(seed, _DRAW), most
        self._count: Int = np.zeros(len(keys), np.int64)

    def judged(self, rows: Reals, device: Int, at_us: Int, *, learns: bool) -> Reals:
        if learns:
            lot = words(self._stream, self._keys[device], self._count[device])
            self._count[device] += 1
            now_us = self.clock()
            wanted = (at_us >= self.since_us) & (at_us <= min(self.to_us, now_us + SOONEST_US))
            self.seen += int(np.count_nonzero(wanted))
            kept = wanted & (lot < self._highest)
            if kept.any():
                came_us = np.full(int(np.count_nonzero(kept)), now_us, np.int64)
                self._parts.append((lot[kept], rows[kept], device[kept], at_us[kept], came_us))
                self._held += len(came_us)
            if self._held > 2 * self._most:
                self._thin()
        return np.zeros(len(rows))

    def _thin(self) -> None:
        lot, *_ = whole = self.drawn()
        lowest = np.argsort(lot, kind="stable")[: self._most]
        self._parts = [tuple(column[lowest] for column in whole)]  # type: ignore[list-item]  # five columns stay five
        self._held = len(lowest)
        if self._held == self._most:
            self._highest = lot[lowest[-1]]

    def drawn(self) -> tuple[NDArray[np.uint64], Reals, Int, Int, Int]:
        """Lots, rows, devices, times and arrivals of what was kept so far, in no order; there is some."""
        lots, rows, devices, times, came = zip(*self._parts, strict=True)
        who, at_us, came_us = (np.concatenate(each) for each in (devices, times, came))
        return np.concatenate(lots), np.concatenate(rows), who, at_us, came_us


def watched_by(scenario: Scenario, detectors: Mapping[str, Mapping[str, Any]]) -> Scenario:
    """The same world, and nobody who looks but these: no objective, rule or expectation, and nothing that ends it
    early."""
    return replace(
        scenario,
        detectors=detectors,
        objectives=(),
        expectations=(),
        stop_when=None,
        windows=(),
        correlations=(),
        joins=(),
        routes=(),
        continuity=None,
        steps=tuple(replace(step, expect=None) for step in scenario.steps),
    )


def train(run: RecordedRun, wanted: Wanted) -> Taught:
    """Play a run again and learn from what its healthy devices told.

    Raises:
        NotRecorded: nobody can play it again.
        UnfitRun: no such kind or channel, or too few healthy rows.
        UnfitModelError: nothing can be learnt from them.
        Unavailable: this machine has not enough memory.
    """
    scenario, options = repeatable(run)
    engine = build(watched_by(scenario, {}), options)
    registry = engine.registry
    kind = kind_of(registry, wanted.kind)
    channels = channels_of(registry, kind, wanted.channels)
    device = np.flatnonzero(registry.kind == registry.kinds.index(kind))
    tap = OnFleet(_Rows, registry, {"on": _mask(registry, device), "channels": list(channels)})
    rows = tap.detector
    assert isinstance(rows, _Rows)
    held = held_by(int(registry.every_us[device].min())) if wanted.by_minutes else 0
    rows.of_width(len(channels), wanted.level, held)
    keys = np.array([device_key(registry.names[each]) for each in device.tolist()], np.uint64)
    rows.draw_by(keys, wanted.seed, SPARE * MOST_ROWS)
    rows.clock = lambda: engine.now_us
    rows.since_us = max(scenario.warm_up_us, wanted.from_us or 0)
    rows.to_us = engine.end_us if wanted.to_us is None else min(wanted.to_us, engine.end_us)
    engine.core.listen(tap)
    engine.play()
    if tap.broken:
        raise UnfitRun(f"the readings of this run cannot be learnt from: {tap.broken}")
    if not rows.seen:
        raise UnfitRun(f"no `{kind}` told {'all of ' * (len(channels) > 1)}{', '.join(channels)} in this run")
    lot, features, who, at_us, came_us = rows.drawn()
    truth = labels(engine)
    # By the device's clock, for what waited in a buffer; and by when it came, for a clock that is wrong.
    ill = _ill(truth, device[who], at_us, len(registry)) | _ill(truth, device[who], came_us, len(registry))
    healthy = ~ill
    if np.count_nonzero(healthy) < LEAST_ROWS:
        raise UnfitRun(
            f"{np.count_nonzero(healthy):,} healthy rows of `{kind}` are too few to learn from, {LEAST_ROWS} at least: "
            f"{np.count_nonzero(ill):,} of the {len(ill):,} that were drawn after the warm-up, from the time that was "
            "asked for, belong to faults; take a longer run or time, or a calmer one"
        )
    chosen = np.flatnonzero(healthy)
    chosen = chosen[np.argsort(lot[chosen], kind="stable")[:MOST_ROWS]]
    chosen = chosen[np.lexsort((who[chosen], at_us[chosen]))]
    learnt = without_times(features[chosen], at_us[chosen]) if held else features[chosen]
    model = Model.trained(wanted.detector, kind, channels, wanted.level, learnt, at_us[chosen], wanted.rare, held)
    engine.wiring.close()
    last_us = int(at_us[chosen].max())
    about = Trained(
        scenario=run.about.scenario,
        seed=run.about.seed,
        digest=run.result.digest if run.result is not None else "",
        from_s=int(at_us[chosen].min()) / SECOND_US,
        to_s=last_us / SECOND_US,
        devices=len(np.unique(who[chosen])),
        rows=len(chosen),
        of_rows=round(rows.seen * float(np.count_nonzero(healthy)) / len(healthy)),
        left_out=round(rows.seen * float(np.count_nonzero(ill)) / len(healthy)),
    )
    return Taught(model, about, last_us)


def kind_of(registry: Registry, wanted: str) -> str:
    """The kind of machine that is meant; of an empty name the only one. Raises UnfitRun."""
    if not wanted:
        if len(registry.kinds) > 1:
            raise UnfitRun(f"which kind? this run has {', '.join(sorted(registry.kinds))}; add `--kind KIND`")
        return registry.kinds[0]
    if wanted not in registry.kinds:
        meant = closest(wanted, registry.kinds)
        hint = f"did you mean `{meant}`?" if meant else f"it has {', '.join(sorted(registry.kinds))}"
        raise UnfitRun(f"no device of this run is a `{wanted}`; {hint}")
    return wanted


def channels_of(registry: Registry, kind: str, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Channels of a kind, in its order; None: all but angles, counters and codes. Raises UnfitRun."""
    told = registry.channels[kind]
    names = [channel.name for channel in told]
    for name in wanted or ():
        if name not in names:
            meant = closest(name, names)
            hint = f"did you mean `{meant}`?" if meant else f"it has {', '.join(names)}"
            raise UnfitRun(f"`{kind}` has no channel `{name}`; {hint}")
    found = tuple(each.name for each in told if (each.averaged if wanted is None else each.name in wanted))
    if not found:
        raise UnfitRun(f"`{kind}` has only angles, counters and codes; name some: --channels {','.join(names)}")
    return found


def _mask(registry: Registry, device: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(len(registry), np.bool_)
    mask[device] = True
    return mask


def _ill(truth: Sequence[TruthLabel], device: NDArray[np.intp], at_us: Int, devices: int) -> NDArray[np.bool_]:
    """bool (n,): whose row belongs to a fault or its aftermath. A fault without devices concerns everybody."""
    ill = np.zeros(len(device), np.bool_)
    for label in truth:
        struck = np.ones(devices, np.bool_)
        if len(label.device):
            struck[:] = False
            struck[label.device] = True
        ill |= struck[device] & (at_us >= label.from_us) & (at_us <= label.aftermath_to_us)
    return ill
