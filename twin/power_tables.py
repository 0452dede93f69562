"""What batteries and the devices on them are, as tables of integers: one row a segment, and the curves of each cell."""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.twin.cells import CELLS, Cell, Points, PowerPlan
from twinstorm.twin.fleet import SegmentPlan
from twinstorm.twin.flow import SECOND_US, Int
from twinstorm.twin.network import PING_BYTES, LinkClass
from twinstorm.twin.physics import battery

NJ: Final = 1_000_000_000
MILLION: Final = 1_000_000
SOLAR_YIELD: Final = 0.8
"""Share of a panel's power that reaches the battery (assumed)."""

Curve = tuple[Int, Int]
"""Where, in millidegrees or millionths of a charge, and how much, in millionths."""


def _curve(points: Points, per: int) -> Curve:
    where = np.array([round(at * per) for at, _ in points], np.int64)
    return where, np.array([round(value * MILLION) for _, value in points], np.int64)


def between(curve: Curve, where: Int) -> Int:
    """Between the points of a curve, in integers."""
    at, value = curve
    where = np.clip(where, at[0], at[-1])
    low = np.minimum(np.searchsorted(at, where, side="right") - 1, len(at) - 2)
    return value[low] + (value[low + 1] - value[low]) * (where - at[low]) // (at[low + 1] - at[low])


class Curves:
    """Tables of one type of cell; see `Cell`."""

    def __init__(self, cell: Cell) -> None:
        self.open_v, self.emptier = _curve(cell.open_v, MILLION), _curve(cell.emptier, MILLION)
        self.usable, self.colder = _curve(cell.usable, 1_000), _curve(cell.colder, 1_000)


def _row(segment: SegmentPlan, link: LinkClass, power: PowerPlan, channels: int) -> dict[str, int]:
    """What every battery of a segment has: nJ, nW, uA, uV, uOhm; on air nJ a microsecond."""
    cell = CELLS[power.cell]
    volts = power.nominal_v
    shelf = cell.self_discharge if power.self_discharge is None else power.self_discharge
    boot_s = sum(segment.boot_us) / 2 / SECOND_US
    burst_w = link.burst_w if power.burst_w is None else power.burst_w

    def message_nj(payload_bytes: int) -> int:
        joules = link.message_j(payload_bytes) if power.message_j is None else power.message_j
        return round(joules * NJ)

    return {
        "full": round(power.full_j * NJ),
        "floor": round(power.floor_w * NJ),
        "shelf": round(battery.self_discharge_w(power.full_j, shelf) * NJ),
        "reading": round(power.reading_j * NJ),
        "message": message_nj(link.reading_bytes(channels)),
        "state": message_nj(link.state_bytes),
        "ping": message_nj(PING_BYTES),
        "repeat": round(link.repeat_j(link.reading_bytes(channels)) * NJ),
        "on_air": round(burst_w * NJ / MILLION),
        "connect": round((link.connect_j if power.connect_j is None else power.connect_j) * NJ),
        "boot": round(power.awake_w * boot_s * NJ),
        "awake_ua": round(power.awake_w / volts * MILLION),
        "burst_ua": round(burst_w / volts * MILLION),
        "nominal_uv": round(volts * MILLION),
        "lowest_uv": round(power.lowest_v * MILLION),
        "resistance_uohm": round(
            (cell.resistance_ohm if power.resistance_ohm is None else power.resistance_ohm) * MILLION
        ),
        "solar": round(power.solar_w * SOLAR_YIELD * NJ),
        "mains": round(power.mains_w * NJ),
    }


def by_segment(
    segments: tuple[SegmentPlan, ...], links: tuple[LinkClass, ...], channels: dict[str, int]
) -> dict[str, Int]:
    """`_row` as columns with one row a segment; of segments without a battery nobody asks."""
    rows = [
        _row(part, link, part.power or PowerPlan(full_j=1.0), channels[part.kind])
        for part, link in zip(segments, links, strict=True)
    ]
    return {name: np.array([row[name] for row in rows], np.int64) for name in rows[0]}
