"""A detector that compares series, as one of a fleet: what came in a window, and who is alike.

In a window each series has a sum and a count; at its end all of them are compared at once. A reading belongs to the
window in which it arrived, and to none if it was sampled more than a window before or after that, by its own stamp:
what a device had buffered is compared with nobody, and neither is one whose clock is as wrong as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.fence import BrokenError
from twinstorm.detectors.options import typed
from twinstorm.detectors.taps import Accepted
from twinstorm.detectors.values.contract import ALL, Comparing, Peers, Reals, Sample
from twinstorm.detectors.values.fleet import OnFleet
from twinstorm.detectors.values.watched import Watched
from twinstorm.detectors.values.witness import Judged
from twinstorm.twin.flow import Device, Int, Registry


class OnPeers(OnFleet):
    """One detector that compares series, at work on the devices of a registry. See `OnFleet`.

    Attributes:
        late: readings that were compared with nobody: behind a newer one of their device, or older than a window.
        lonely: devices that are watched and have fewer of their like than the detector asks for.
    """

    def __init__(self, kind: type[Comparing], registry: Registry, settings: Mapping[str, Any]) -> None:
        super().__init__(kind, registry, settings)
        given = {key: value for key, value in settings.items() if key not in ("on", "channels")}
        values = typed(f"detector `{kind.name}`", kind.fleet_options(), given)
        self._window_us = int(values["window"])
        self._end_us = self._window_us
        series = self._watched.series
        self._sum: Reals = np.zeros(series)
        self._heard: Int = np.zeros(series, np.int64)
        self._devices = _devices_of(registry, self._watched)
        detector = self._detector
        assert isinstance(detector, Comparing)
        peers = peers_of(registry, self._watched, values["peers"])
        detector.among(peers)
        alike = np.bincount(peers.group)
        self.lonely = sum(
            int(np.count_nonzero(alike[peers.group[series[:, 0]]] < detector.fewest)) for _, series in self._devices
        )

    def _take(self, accepted: Accepted, columns: NDArray[np.intp]) -> None:
        mine = np.abs(accepted.arrived_us - accepted.dated_us) <= self._window_us
        if accepted.late:
            mine[:] = False
        counts = np.ones(len(mine), np.bool_) if accepted.good is None else accepted.good
        if self._watched.mask is not None:
            counts = counts & self._watched.mask[accepted.device]
        self.late += int(np.count_nonzero(counts & ~mine))
        rows = np.flatnonzero(counts & mine)
        first = self._watched.first
        if accepted.rows is not None and len(rows) == len(mine):
            # A stretch of the fleet, each once: a slice costs a part of what the places of each series would.
            stretch = slice(int(first[accepted.rows.start]), int(first[accepted.rows.stop]))
            values = accepted.values[:, columns].astype(np.float64, order="C").ravel()
            here = values == values
            self._sum[stretch] += np.where(here, values, 0.0)
            self._heard[stretch] += here
            return
        values = accepted.values[rows][:, columns].astype(np.float64)
        series = first[accepted.device[rows]][:, None] + np.arange(len(columns))
        here = values == values
        np.add.at(self._sum, series[here], values[here])
        np.add.at(self._heard, series[here], 1)

    def _begin_anew(self, device: Device, series: Int) -> None:
        super()._begin_anew(device, series)
        self._sum[series], self._heard[series] = 0.0, 0

    def turn(self, now_us: int) -> None:
        """A pane is over; with the last one of a window, compare what came in it."""
        if now_us < self._end_us or self.broken:
            return
        self._end_us = (now_us // self._window_us + 1) * self._window_us
        try:
            self._compare(now_us)
        except BrokenError as broken:
            self.broken = str(broken)
        self._sum[:] = 0.0
        self._heard[:] = 0

    def _compare(self, now_us: int) -> None:
        means = np.where(self._heard > 0, self._sum / np.maximum(self._heard, 1), np.nan)
        sample = Sample(np.full(len(means), now_us, np.int64), means, ALL)
        judged, learn = self._judged(sample, 1)
        for who, series in self._devices:
            arrived_us = np.full(len(who), now_us, np.int64)
            self._note(replace(judged, width=series.shape[1], there=series.ravel()), who, arrived_us)
        self._learn(learn)

    def _normal(self, judged: Judged, rows: Int) -> tuple[Reals, Reals] | None:
        """What is normal for some is told by all of their like."""
        bounds = self._detector.normal(judged.sample, judged.reach(self._threshold))
        if bounds is None:
            return None
        low, high = bounds
        places = judged.places(rows)
        return low[places], high[places]


def _devices_of(registry: Registry, watched: Watched) -> list[tuple[Device, Int]]:
    """Of each kind the devices that are watched, int32 (k,), and their series, int64 (k, channels)."""
    found = []
    has_any = np.diff(watched.first) > 0
    for code, columns in watched.columns.items():
        who = np.flatnonzero((registry.kind == code) & has_any).astype(np.int32)
        if len(who):
            found.append((who, watched.first[who][:, None] + np.arange(len(columns))))
    return found


def peers_of(registry: Registry, watched: Watched, alike: str) -> Peers:
    """Who is compared with whom: one channel of devices of one kind.

    Args:
        alike: a choice of the option `peers`.
    """
    key = registry.kind.astype(np.int64)
    if "site" in alike:
        key = key * len(registry.sites) + registry.site
    if "segment" in alike:
        key = key * len(registry.segments) + registry.segment
    group = np.zeros(watched.series, np.int64)
    resolution = np.zeros(watched.series)
    most = max((len(columns) for columns in watched.columns.values()), default=1)
    for who, series in _devices_of(registry, watched):
        code = int(registry.kind[who[0]])
        channels = registry.channels[registry.kinds[code]]
        group[series] = (key[who] * most)[:, None] + np.arange(series.shape[1])
        resolution[series] = [channels[column].step for column in watched.columns[code]]
    # Numbers without gaps: whoever compares counts by them.
    return Peers(np.unique(group, return_inverse=True)[1].astype(np.int64), resolution)
