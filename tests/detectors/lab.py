"""A small observed fleet for tests of the core: registries, deliveries, and a lab that plays seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from twinstorm.detectors.core import Core
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.panes import Pane
from twinstorm.twin.flow import (
    SECOND_US,
    BrokerCounters,
    Channel,
    Delivery,
    Mask,
    Readings,
    Registry,
    SessionEvent,
    SessionEvents,
)

CHANNELS = {
    "motor": (Channel("winding_temperature_c", "C", -40.0, 150.0, 0.1), Channel("current_a", "A", 0.0, 50.0, 0.01)),
    "climate": (Channel("humidity_pct", "%", 0.0, 100.0, 0.5),),
}


def registry_of(
    sites: Sequence[str] = ("arn-1", "fra-1", "fra-2", "fra-3", "sin-1"),
    motors: int = 8,
    climate: int = 2,
    climate_every_us: int = 30 * SECOND_US,
) -> Registry:
    """`motors` at 1 Hz and `climate` sensors at each site, motors first; regions are the sites' first three letters."""
    kind = np.repeat(np.array([0, 1], np.uint8), [motors * len(sites), climate * len(sites)])
    site = np.concatenate([np.repeat(np.arange(len(sites)), count) for count in (motors, climate)]).astype(np.int32)
    regions = tuple(sorted({name[:3] for name in sites}))
    region_of_site = np.array([regions.index(name[:3]) for name in sites], np.int32)
    every_us = np.where(kind == 0, SECOND_US, climate_every_us).astype(np.int64)
    n = len(kind)
    return Registry(
        names=[
            f"{sites[where]}/{('motors', 'climate')[what]}-{row}"
            for row, (where, what) in enumerate(zip(site, kind, strict=True))
        ],
        kind=kind,
        kinds=("motor", "climate"),
        segment=kind.astype(np.int16),
        segments=("motors", "climate"),
        site=site,
        sites=tuple(sites),
        region=region_of_site[site],
        regions=regions,
        link=kind.copy(),
        links=("ethernet", "wifi"),
        firmware=np.zeros(n, np.uint8),
        firmwares=("1.0",),
        origin=np.zeros(n, np.uint8),
        every_us=every_us,
        keep_alive_us=np.full(n, 60 * SECOND_US, np.int64),
        channels=CHANNELS,
    )


def delivery(
    device: Sequence[int],
    seq: Sequence[int] | int,
    *,
    boot: Sequence[int] | int = 1,
    values: Any = 20.0,
    arrived_us: Sequence[int] | int = 0,
    dated_us: Sequence[int] | int = 0,
    kind: str = "motor",
    channels: int | None = None,
    dense: bool = False,
    present: Sequence[bool] | None = None,
) -> Delivery:
    """Sparse readings, or dense ones from the first device on. Every array is read-only: the core must not write."""
    n = len(device)
    width = channels if channels is not None else len(CHANNELS.get(kind, (None, None)))

    def column(of: Any, dtype: Any) -> Any:
        filled = np.broadcast_to(np.array(of, dtype), n)
        filled.flags.writeable = False
        return filled

    table = np.array(values, np.float32)
    table = np.asfortranarray(np.broadcast_to(table.reshape(-1, 1) if table.ndim == 1 else table, (n, width)))
    table.flags.writeable = False
    arrived = column(arrived_us, np.int64)
    zero = column(0, np.int64)
    readings = Readings(
        kind=kind,
        device=column(device, np.int32),
        boot=column(boot, np.int32),
        seq=column(seq, np.int64),
        device_time_us=column(dated_us, np.int64),
        sent_us=zero,
        values=table,
        dense_from=device[0] if dense and n else -1,
        present=None if present is None else np.array(present, np.bool_),
    )
    return Delivery(readings, arrived, int(arrived.max(initial=0)))


@dataclass
class Lab:
    """Plays simulated seconds to a core, for a fleet whose truth the test decides.

    Attributes:
        online: devices that have a session and send; others are off.
    """

    registry: Registry
    core: Core
    online: Mask
    boot: Any
    seq: Any
    second: int = 0
    counters: BrokerCounters = field(default_factory=BrokerCounters)
    block: int = 1 << 20

    @staticmethod
    def start(registry: Registry, objectives: Sequence[Objective] = (), warm_up_s: int = 0, **detectors: Any) -> Lab:
        n = len(registry)
        core = Core(registry, objectives, detectors or None, warm_up_s * SECOND_US)
        lab = Lab(registry, core, np.ones(n, np.bool_), np.ones(n, np.int32), np.zeros(n, np.int64))
        lab.tell(np.arange(n), SessionEvent.BORN, at_us=0)
        return lab

    def tell(self, device: Any, what: SessionEvent, at_us: int | None = None) -> None:
        """Session events of these devices, now."""
        device = np.asarray(device, np.int32)
        at_us = self.second * SECOND_US + 1_000 if at_us is None else at_us
        boot = self.boot[device] if what == SessionEvent.BORN else np.zeros(len(device), np.int32)
        self.core.sessions(
            SessionEvents(np.full(len(device), at_us, np.int64), device, np.full(len(device), what, np.uint8), boot)
        )

    def power_off(self, device: Any) -> None:
        """Silently: the broker finds out later."""
        self.online[device] = False

    def drop(self, device: Any) -> None:
        """The session closes, and nothing is sent any more."""
        self.online[device] = False
        self.tell(device, SessionEvent.CLOSED)

    def boots(self, device: Any) -> None:
        """Back after a reboot: birth, then readings."""
        self.boot[device] += 1
        self.reconnects(device)

    def reconnects(self, device: Any) -> None:
        """Back with a new session."""
        self.online[device] = True
        self.tell(device, SessionEvent.BORN)
        self.connect(len(device))

    def connect(self, attempts: int, refused: int = 0) -> None:
        """Connects as the broker counts them."""
        self.counters = replace(
            self.counters, attempts=self.counters.attempts + attempts, refused=self.counters.refused + refused
        )

    def play(self, seconds: int = 1) -> list[Pane]:
        """Every online device sends at its period; panes close."""
        return [self._second() for _ in range(seconds)]

    def _second(self) -> Pane:
        now_us = self.second * SECOND_US
        due = self.online & (now_us % self.registry.every_us == 0)
        self.seq += due
        for code, kind in enumerate(self.registry.kinds):
            rows = np.flatnonzero(self.registry.kind == code)
            for first in range(int(rows[0]), int(rows[-1]) + 1, self.block):
                part = np.arange(first, min(first + self.block, int(rows[-1]) + 1))
                self.core.ingest(
                    delivery(
                        part.tolist(),
                        self.seq[part].tolist(),
                        boot=self.boot[part].tolist(),
                        arrived_us=now_us + 20_000,
                        kind=kind,
                        dense=True,
                        present=due[part].tolist(),
                    )
                )
        self.second += 1
        return self.core.close_pane(self.second * SECOND_US, self.counters)
