"""Where the cells of the map go: pure arithmetic from the groups of a frame to rows of the screen, and back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from rich.cells import cell_len

from twinstorm.scenarios.protocol import MapGroup
from twinstorm.tui.app.signs import CODE, WORST_FIRST

By = Literal["region, site", "site", "region"]
GROUPINGS: tuple[By, ...] = ("region, site", "site", "region")
Order = Literal["scenario", "worst first"]

SCALE = (1, 2, 5)
"""Devices a cell: these times powers of ten."""


@dataclass(frozen=True)
class Block:
    """Cells under one label: those of a site, or of all sites of a region.

    Attributes:
        sites: name of each site in it, with the number of its cells, in the order of the cells.
        cells: one state code a cell.
        counts: devices by state code.
    """

    label: str
    region: str
    sites: tuple[tuple[str, int], ...]
    cells: bytes
    counts: tuple[int, ...]
    devices: int
    per_cell: int

    def place(self, offset: int) -> tuple[str, int]:
        """Site and cell within the site of the cell at `offset`."""
        starts = [0, *accumulate(cells for _, cells in self.sites)]
        site = min(bisect_right(starts, offset) - 1, len(self.sites) - 1)
        return self.sites[site][0], offset - starts[site]


@dataclass(frozen=True)
class MapRow:
    """One row of the map: a region's name (`block` None), or up to `columns` cells of a block from `start` on."""

    label: str
    block: int | None
    start: int = 0
    length: int = 0


@dataclass(frozen=True)
class Layout:
    """All rows of the map; some may lie outside the screen.

    Attributes:
        columns: cells that fit beside the label.
        pitch: columns from cell to cell: 2 where there is room for a blank between them.
    """

    blocks: tuple[Block, ...]
    rows: tuple[MapRow, ...]
    label_width: int
    columns: int
    pitch: int = 1


def lay_out(groups: Sequence[MapGroup], width: int, by: By, order: Order, height: int = 0) -> Layout:
    """Rows of the map for a panel of `width` columns; cells stand apart if all of them fit `height` rows that way."""
    if height:
        apart = _lay_out(groups, width, by, order, pitch=2)
        if len(apart.rows) <= height:
            return apart
    return _lay_out(groups, width, by, order, pitch=1)


def _lay_out(groups: Sequence[MapGroup], width: int, by: By, order: Order, pitch: int) -> Layout:
    groups = [group for group in groups if group.cells]
    regions = _regions(groups)
    blocks = _ordered(_blocks(regions, by), order)
    headed = by == "region, site" and order == "scenario" and _worth_naming(regions)
    indent = 1 if headed else 0
    names = [block.label for block in blocks]
    label_width = min(max((cell_len(name) for name in names), default=0) + indent, max(width // 3, 1)) + 1
    columns = max((width - label_width) // pitch, 1)
    rows: list[MapRow] = []
    region = None
    for number, block in enumerate(blocks):
        if headed and block.region != region:
            region = block.region
            rows.append(MapRow(region or "no region", None))
        # Rows of equal length: a site is a rectangle, not lines with a rag at the end.
        length = -(-len(block.cells) // -(-len(block.cells) // columns))
        for start in range(0, len(block.cells), length):
            label = " " * indent + block.label if start == 0 else ""
            rows.append(MapRow(label, number, start, min(length, len(block.cells) - start)))
    return Layout(tuple(blocks), tuple(rows), label_width, columns, pitch)


def room(groups: Sequence[MapGroup], width: int, height: int, by: By, order: Order) -> int:
    """Cells to ask the engine for, so that every group starts a row of its own and all rows fit if they can.

    The engine picks the fewest devices a cell of 1, 2, 5, 10, ... whose cells do not exceed the answer; this finds the
    same number from the device counts and returns just the cells that it makes.
    """
    if not groups:
        return max(width * height, 1)
    layout = lay_out(groups, width, by, order)
    headers = sum(row.block is None for row in layout.rows)
    rows = max(height - headers, 1)
    largest = max(group.devices for group in groups)
    for per_cell in _scale(largest):
        taken = sum(
            -(-sum(_cells(group.devices, per_cell) for group in block) // layout.columns)
            for block in _devices_by_block(groups, by)
        )
        if taken <= rows:
            break
    return sum(_cells(group.devices, per_cell) for group in groups)


def _scale(largest: int) -> list[int]:
    scale = [1]
    while scale[-1] < max(largest, 1):
        scale = [step * 10**power for power in range(len(str(largest)) + 1) for step in SCALE]
    return scale


def _cells(devices: int, per_cell: int) -> int:
    return -(-devices // per_cell)


def _regions(groups: Sequence[MapGroup]) -> dict[str, list[MapGroup]]:
    regions: dict[str, list[MapGroup]] = {}
    for group in groups:
        regions.setdefault(group.region, []).append(group)
    return regions


def _worth_naming(regions: dict[str, list[MapGroup]]) -> bool:
    """More than one region, and not merely a second name of every site."""
    return len(regions) > 1 and any(len(sites) > 1 for sites in regions.values())


def groupings(groups: Sequence[MapGroup]) -> tuple[By, ...]:
    """The groupings that differ for this fleet."""
    return GROUPINGS if _worth_naming(_regions(groups)) else ("site",)


def _devices_by_block(groups: Sequence[MapGroup], by: By) -> list[list[MapGroup]]:
    return list(_regions(groups).values()) if by == "region" else [[group] for group in groups]


def _blocks(regions: dict[str, list[MapGroup]], by: By) -> list[Block]:
    if by == "region":
        return [_block(region or "no region", region, sites) for region, sites in regions.items()]
    return [_block(group.site, region, [group]) for region, sites in regions.items() for group in sites]


def _block(label: str, region: str, groups: Sequence[MapGroup]) -> Block:
    return Block(
        label=label,
        region=region,
        sites=tuple((group.site, len(group.cells)) for group in groups),
        cells=b"".join(group.cells for group in groups),
        counts=tuple(map(sum, zip(*(group.counts for group in groups), strict=True))),
        devices=sum(group.devices for group in groups),
        per_cell=max(group.per_cell for group in groups),
    )


def _ordered(blocks: list[Block], order: Order) -> list[Block]:
    if order == "scenario":
        return blocks
    well = CODE["online"]
    shares = [code for code in WORST_FIRST if code != well]
    return sorted(blocks, key=lambda block: [-block.counts[code] / max(block.devices, 1) for code in shares])
