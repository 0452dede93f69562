"""Parts of a machine that wear: with time in service, with what they do, and by what fails.

Damage adds up linearly (Palmgren and Miner): a part is at its end when its shares reach 1. They are of three sorts.

- *Time*: a life drawn from a Weibull distribution, counted in seconds in service. All parts of a machine share one
  clock, so that this costs a step one sum.
- *Haste*: a failure at full severity uses up a whole life within a time of its own, or operations are counted.
- *Breakage*: a failure is damage by itself. How far it ever went stays, whatever becomes of its cause.

A machine is as healthy as its worst part, and lives as long as the first of them that ends at its present haste. New
parts go in one by one or together (`renew`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import SECOND_US, Values
from twinstorm.twin.machines.kind import Draws, Inputs, Quantity, Truth
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.spread import uniform, weibull

Columns = Mapping[str, NDArray[Any]]
Shares = Mapping[str, float]

YEAR_H: Final = 8_766.0
DAY_H: Final = 24.0
SHORTEST: Final = 0.05
"""Of the characteristic life: what ended sooner was replaced under warranty."""
OLDEST: Final = 0.6
"""Wear of the oldest part at the start: maintenance replaced what was older."""
FIRST_DRAW: Final = 200
"""Draws from here on belong to parts; those before it to the kind."""
LIVED: Final = "in_service_s"


def _nothing() -> Shares:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WornPart:
    """One part.

    Attributes:
        name: prefix of its columns.
        life_h: characteristic life in service, hours; None: nothing but failures (and counts) wears it.
        shape: Weibull slope, > 1: wear-out.
        spoils_h: by failure mode, hours in which its full severity uses up a whole life.
        breaks: by failure mode, share of a life that its full severity takes at once.
        counted: wear at `spoils_h` is not added but counted by the kind (`WornParts.count`), and only foretold here.
        summary: what it is, for the parameters of it.
    """

    name: str
    summary: str
    life_h: float | None = None
    shape: float = 3.0
    spoils_h: Shares = field(default_factory=_nothing)
    breaks: Shares = field(default_factory=_nothing)
    counted: bool = False


class WornParts:
    """Those of one kind. State and parameters are the machine's, under names that begin with the part's."""

    def __init__(self, *parts: WornPart) -> None:
        self.parts = parts
        self._ageing = [part for part in parts if part.life_h is not None]

    @property
    def settable(self) -> tuple[Quantity, ...]:
        """What may be set of parts that age: their life, and how much of it is over at the start."""
        return tuple(
            one
            for part in self._ageing
            for one in (
                Quantity(f"{part.name}_life_h", "h", 0.01, 1e7, f"life in service of {part.summary}"),
                Quantity(f"{part.name}_worn_at_start", "1", 0.0, 1.0, "share of that life that is over at the start"),
            )
        )

    def parameters(self, draws: Draws) -> dict[str, Values]:
        """Lives, and what of them is over: two draws a part from `FIRST_DRAW` on."""
        made: dict[str, Values] = {}
        for number, part in enumerate(self._ageing):
            assert part.life_h is not None
            life_h = np.maximum(
                weibull(draws(FIRST_DRAW + 2 * number), part.life_h, part.shape), SHORTEST * part.life_h
            )
            made[f"{part.name}_life_h"] = life_h.astype(np.float32)
            made[f"{part.name}_worn_at_start"] = uniform(draws(FIRST_DRAW + 2 * number + 1), 0.0, OLDEST)
        return made

    def initial(self, like: NDArray[Any]) -> dict[str, Values]:
        """Columns of the state, one row for each of `like`.

        Returns:
            in_service_s and its rest: of the machine, if something ages. Of each part: offset: what its renewal took
            from the wear by time. harm and its rest: by haste and counts. haste: 1/s, what failures add now. broken:
            the worst breakage so far.
        """
        names = [LIVED, f"{LIVED}_rest"] * bool(self._ageing)
        for part in self.parts:
            names += [f"{part.name}_offset"] * (part.life_h is not None)
            names += [f"{part.name}_{what}" for what in ("harm", "harm_rest", "haste")] * self._hastes(part)
            names += [f"{part.name}_broken"] * bool(part.breaks)
        return {name: np.zeros(len(like), np.float32) for name in names}

    def wear(self, state: Columns, inputs: Inputs, seconds: Values | None = None) -> None:
        """Let a step pass.

        Args:
            seconds: float32 (n,), in service of each machine during it; None: all of it, with power. Not changed.
        """
        failures = inputs.failures
        if not failures and not self._ageing:
            for part in self.parts:
                if self._hastes(part):
                    state[f"{part.name}_haste"].fill(0.0)
            return
        if seconds is None:
            n = len(next(iter(state.values())))
            seconds = np.full(n, inputs.dt_us / SECOND_US, np.float32)
            if inputs.running is not None:
                seconds *= inputs.running
        if self._ageing:
            add_to(state[LIVED], state[f"{LIVED}_rest"], seconds.copy())
        for part in self.parts:
            if self._hastes(part):
                self._hasten(part, state, failures, seconds)
            for mode, share in part.breaks.items():
                severity = failures.get(mode)
                if severity is not None:
                    broken = state[f"{part.name}_broken"]
                    np.maximum(broken, severity * np.float32(share), out=broken)

    def count(self, state: Columns, name: str, rows: NDArray[np.intp], share: Values) -> None:
        """Add so much of a life to what a part has done in these machines; `share` is overwritten."""
        _add_to_rows(state[f"{name}_harm"], state[f"{name}_harm_rest"], rows, share)

    def worn(self, name: str, state: Columns, parameters: Columns) -> Values:
        """Share of a part's life that is over: float32 (n,), new, 0..1."""
        part = next(one for one in self.parts if one.name == name)
        worn = np.zeros(len(next(iter(state.values()))), np.float32)
        if part.life_h is not None:
            worn += self._aged(part, state, parameters)
            worn += state[f"{name}_offset"]
        if self._hastes(part):
            worn += state[f"{name}_harm"]
        if part.breaks:
            worn += state[f"{name}_broken"]
        return np.clip(worn, 0.0, 1.0, out=worn)

    def renew(self, state: Columns, parameters: Columns, rows: NDArray[np.intp]) -> None:
        """New parts in these machines."""
        for part in self.parts:
            if part.life_h is not None:
                state[f"{part.name}_offset"][rows] = -self._aged(part, state, parameters)[rows]
            if self._hastes(part):
                state[f"{part.name}_harm"][rows] = 0.0
                state[f"{part.name}_harm_rest"][rows] = 0.0
            if part.breaks:
                state[f"{part.name}_broken"][rows] = 0.0

    def truth(self, state: Columns, parameters: Columns, usual_per_s: Mapping[str, Values] | None = None) -> Truth:
        """Health of the worst part, and time to the first end.

        Args:
            usual_per_s: of counted parts, share of a life that they usually do in a second.
        """
        n = len(next(iter(state.values())))
        health, remaining_s = np.ones(n, np.float32), np.full(n, np.inf, np.float32)
        for part in self.parts:
            left = 1.0 - self.worn(part.name, state, parameters)
            rate = np.zeros(n, np.float32)
            if part.life_h is not None:
                rate += 1.0 / (parameters[f"{part.name}_life_h"] * np.float32(3600.0))
            if usual_per_s and part.name in usual_per_s:
                rate += usual_per_s[part.name]
            if self._hastes(part):
                rate += state[f"{part.name}_haste"]
            lasts_s = np.where(left > 0.0, np.float32(np.inf), np.float32(0.0))
            np.divide(left, rate, out=lasts_s, where=(rate > 0.0) & (left > 0.0))
            np.minimum(health, left, out=health)
            np.minimum(remaining_s, lasts_s, out=remaining_s)
        return Truth(health, remaining_s)

    @staticmethod
    def _hastes(part: WornPart) -> bool:
        return bool(part.spoils_h) or part.counted

    @staticmethod
    def _aged(part: WornPart, state: Columns, parameters: Columns) -> Values:
        """Wear by time alone since the machine was made."""
        life_s: Values = parameters[f"{part.name}_life_h"] * np.float32(3600.0)
        lived_s: Values = state[LIVED]
        aged: Values = lived_s / life_s
        aged += parameters[f"{part.name}_worn_at_start"]
        return aged

    @staticmethod
    def _hasten(part: WornPart, state: Columns, failures: Mapping[str, Values], seconds: Values) -> None:
        haste = state[f"{part.name}_haste"]
        haste.fill(0.0)
        for mode, spoils_h in part.spoils_h.items():
            severity = failures.get(mode)
            if severity is not None:
                haste += severity * np.float32(1.0 / (3600.0 * spoils_h))
        rows = np.flatnonzero(haste)
        if len(rows) and not part.counted:
            names = f"{part.name}_harm", f"{part.name}_harm_rest"
            _add_to_rows(state[names[0]], state[names[1]], rows, haste[rows] * seconds[rows])


def _add_to_rows(total: Values, rest: Values, rows: NDArray[np.intp], part: Values) -> None:
    """As `add_to`, in these rows: what others do is nothing to a machine that does nothing."""
    some, some_rest = total[rows], rest[rows]
    add_to(some, some_rest, part)
    total[rows], rest[rows] = some, some_rest


def sooner(one: Truth, other: Truth) -> Truth:
    """Of two parts of the same machines: as healthy as the worse, as long as the shorter."""
    return Truth(np.minimum(one.health, other.health), np.minimum(one.remaining_s, other.remaining_s))
