"""Where the cells of the map go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tui.fake_engine import FakeEngine
from twinstorm.scenarios.protocol import MapGroup
from twinstorm.tui.app.fleet_layout import By, Order, groupings, lay_out, room

SIZES = st.lists(st.integers(1, 50_000), min_size=1, max_size=12)


def fleet(sizes: list[int], per_cell: int, regions: int = 3) -> list[MapGroup]:
    return [
        MapGroup(
            region=f"region-{number % regions}",
            site=f"site-{number}",
            devices=devices,
            per_cell=per_cell,
            cells=bytes(-(-devices // per_cell)),
            counts=[devices, 0, 0, 0, 0, 0, 0],
        )
        for number, devices in enumerate(sizes)
    ]


def scale(step: int) -> int:
    return (1, 2, 5)[step % 3] * 10 ** (step // 3)


def engine_picks(sizes: list[int], cells: int) -> int:
    """What the protocol promises, as a step of the scale: the fewest devices a cell whose cells fit."""
    step = 0
    while sum(-(-devices // scale(step)) for devices in sizes) > cells:
        step += 1
    return step


@given(SIZES, st.integers(20, 220), st.integers(18, 60), st.sampled_from(["region, site", "site", "region"]))
def test_the_cells_asked_for_fill_the_panel_and_do_not_overflow(
    sizes: list[int], width: int, height: int, by: By
) -> None:
    cells = room(fleet(sizes, 50_000), width, height, by, "scenario")
    step = engine_picks(sizes, cells)
    assert len(lay_out(fleet(sizes, scale(step)), width, by, "scenario").rows) <= height
    if step:
        assert len(lay_out(fleet(sizes, scale(step - 1)), width, by, "scenario").rows) > height


@given(
    SIZES, st.integers(20, 220), st.sampled_from(["region, site", "site", "region"]), st.sampled_from([0, 40, 9_999])
)
def test_every_cell_has_one_place(sizes: list[int], width: int, by: By, height: int) -> None:
    groups = fleet(sizes, 20)
    layout = lay_out(groups, width, by, "scenario", height)
    places = [
        layout.blocks[row.block].place(row.start + column)
        for row in layout.rows
        if row.block is not None
        for column in range(row.length)
    ]
    expected = {(group.site, cell) for group in groups for cell in range(len(group.cells))}
    assert len(places) == len(expected)
    assert set(places) == expected
    assert all(layout.label_width + row.length * layout.pitch <= width for row in layout.rows)


def test_cells_stand_apart_only_where_all_of_them_fit() -> None:
    groups = fleet([400, 400], 1)
    assert [lay_out(groups, 107, "site", "scenario", height).pitch for height in (8, 15, 16, 40)] == [1, 1, 2, 2]


def test_worst_first_puts_failures_before_outages_before_the_rest() -> None:
    groups = fleet([100, 100, 100], 10)
    groups[1].counts[4] = 60
    groups[2].counts[5] = 1
    order: Order = "worst first"
    assert [block.label for block in lay_out(groups, 80, "site", order).blocks] == ["site-2", "site-1", "site-0"]


def test_regions_that_are_only_second_names_are_not_shown() -> None:
    assert groupings(fleet([10, 10, 10], 1, regions=3)) == ("site",)
    assert groupings(fleet([10, 10, 10], 1, regions=1)) == ("site",)
    assert len(groupings(fleet([10, 10, 10], 1, regions=2))) == 3


def test_groups_that_a_filter_emptied_leave_no_row() -> None:
    groups = [*fleet([100], 10), *fleet([0], 10)]
    assert len(lay_out(groups, 80, "site", "scenario").blocks) == 1


def test_the_fake_engine_keeps_the_promise() -> None:
    engine = FakeEngine(cells=450)
    assert {group.per_cell for group in engine.frame().groups} == {50}
    assert sum(len(group.cells) for group in engine.frame().groups) == 200
