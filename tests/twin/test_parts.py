"""Parts of a world: told at the moments that concern them, and at no others."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field

import numpy as np

from tests.twin.worlds import Lab, carried
from twinstorm.twin.flow import SECOND_US, Int
from twinstorm.twin.gateways import Gateways
from twinstorm.twin.parts import Part, Parts

NOBODY: Int = np.empty(0, np.int64)


@dataclass
class Diary(Part):
    """Writes down what it is told."""

    name: str
    lines: list[str] = field(default_factory=list)

    def lost(self, device: Int, at_us: Int) -> None:
        self.lines.append(f"{self.name}: {len(device)} lost")

    def booted(self, device: Int, at_us: int) -> None:
        self.lines.append(f"{self.name}: {len(device)} boot at {at_us}")


def test_a_part_is_told_of_the_moments_that_it_overrides_and_of_no_others() -> None:
    parts = Parts()
    parts.join(Diary("one"))
    told = {moment: len(parts_told) for moment, parts_told in vars(parts).items() if moment != "_all" and parts_told}
    assert told == {"lost": 1, "booted": 1}


def test_parts_are_told_in_the_order_in_which_they_joined() -> None:
    parts, lines = Parts(), list[str]()
    parts.join(Diary("one", lines))
    parts.join(Diary("two", lines))
    for booted in parts.booted:
        booted(NOBODY, 5)
    assert lines == ["one: 0 boot at 5", "two: 0 boot at 5"]


def test_a_part_that_was_saved_goes_on_being_told() -> None:
    lab = Lab.make(carried())
    diary = Diary("one")
    lab.world.parts.join(diary)
    saved = pickle.dumps((lab.world, diary))
    world, restored = pickle.loads(saved)
    device = np.arange(3, dtype=np.int32)
    world.power_off(device, SECOND_US)
    world.power_on(device, 2 * SECOND_US)
    assert restored.lines == ["one: 3 boot at 2000000"]
    assert diary.lines == []
    assert world.parts.cut[0].__self__ is world.gateways, "the part itself, not a copy of it"
    assert isinstance(world.gateways, Gateways)


def test_a_fleet_of_perfect_clocks_is_told_nothing_until_one_of_them_is_wrong() -> None:
    lab = Lab.make()
    clocks = lab.world.clocks
    assert clocks not in list(lab.world.parts)
    clocks.step("f", np.arange(2, dtype=np.int32), 0, SECOND_US)
    clocks.step("g", np.arange(2, dtype=np.int32), 0, SECOND_US)
    assert [part for part in lab.world.parts if part is clocks] == [clocks], "it joins once"
