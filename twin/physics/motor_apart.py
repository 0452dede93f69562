"""Motors that need a look of their own: those that fail, are driven from outside, or carry damage.

They are few. A step gathers them, works out each one's heat balance and wear with its own load, surroundings, cooling
and friction, and writes them back over what the plain rule of the fleet gave them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.flow import SECOND_US, Channel, Mask, Values
from twinstorm.twin.machines.kind import FailureMode, Inputs, Quantity
from twinstorm.twin.physics.counting import add_to
from twinstorm.twin.physics.motor_body import (
    BELT_SHARE,
    CONSTANT_W,
    COPPER_W,
    RATED_SLIP_RPM,
    RATED_W,
    RUNNING,
    STOPPED,
    SYNCHRONOUS_RPM,
    VIBRATION_NOISE,
    WORST_WEAR,
    mean_cube,
)
from twinstorm.twin.physics.motor_duty import LEVEL_US, MEAN_SQUARE, changed_levels, level
from twinstorm.twin.physics.relaxing import gone
from twinstorm.twin.physics.thermal import TwoNode

Floats = NDArray[np.float64]

LOAD: Final = "load_share"
AMBIENT: Final = "ambient_c"
SPALL: Final = "bearing-spall"
IMBALANCE: Final = "imbalance"
OVERHEATING: Final = "overheating"
DRY: Final = "lubrication-loss"

DRIVES: Final = (
    Quantity(LOAD, "1", 0.0, 1.5, "mechanical load over the rated one, instead of the duty profile"),
    Quantity(AMBIENT, "C", -30.0, 60.0, "air around the motor, instead of a constant"),
)
_VIBRATION: Final = ("vibration_x_mm_s", "vibration_y_mm_s", "vibration_z_mm_s")
FAILURES: Final = (
    FailureMode(
        SPALL,
        "a race breaks out: vibration at once that of a bearing at the end of its life, some warmth; the damage stays",
        _VIBRATION,
    ),
    FailureMode(
        IMBALANCE,
        "a fan blade or pulley loses mass: radial vibration that grows with the square of the speed, more wear",
        _VIBRATION[:2],
    ),
    FailureMode(
        OVERHEATING,
        "dust or a rag blocks the cooling air: three times the thermal resistance, a hot winding within an hour",
        ("winding_temperature_c",),
    ),
    FailureMode(
        DRY,
        "the grease is gone: metal on metal heats, shakes, and wears the bearing out within days",
        ("winding_temperature_c", *_VIBRATION),
    ),
)

SPALL_FRICTION_W: Final = 20.0
"""As much again as the bearing's own: 0.5 mu P d w with mu = 0.0015, 4 kN, 45 mm, 1470 rpm (SKF catalogue)."""
DRY_FRICTION_W: Final = 200.0
"""Ten times its own (assumed: dry steel slides with a friction coefficient a hundred times that of rolling, but only
where cage and balls rub)."""
DRY_WEAR: Final = 500.0
"""How many times faster a dry bearing wears: weeks instead of decades (assumed)."""
DRY_VIBRATION: Final = 1.5
"""What metal contact adds to the vibration, over what there is (assumed)."""
INSULATION_S: Final = 20_000.0 * 3600.0
"""Life of the winding's insulation at `CLASS_C`; `HALVES_K` more halve it. Source: IEC 60085, thermal class 155 (F),
less the 10 K by which the hottest spot exceeds the mean of a winding; Montsinger's rule. At what motors usually have it
outlives bearings by far: it is reckoned only where somebody looks at a motor by itself."""
CLASS_C: Final = 145.0
HALVES_K: Final = 10.0
IMBALANCE_MM_S: Final = 8.0
"""Radial vibration at 1500 rpm and full severity: zone D of ISO 10816-1, class II."""
IMBALANCE_LOAD: Final = 0.06
"""What a rotor of 40 kg balanced no better than grade G 40 (ISO 21940-11) adds at 1500 rpm to a load of 4 kN."""
BLOCKED: Final = STOPPED.case_air_k_w / RUNNING.case_air_k_w - 1.0
"""What a fully blocked air path adds to the resistance to air, over what there is: as if the fan stood still."""


@dataclass
class Apart:
    """Those motors of a block, as columns of k rows.

    Attributes:
        rows: intp, ascending. own: their state and parameters, by name.
        load: share of the rated load that is given, NaN: the profile's. ambient_c: around them.
        severity: float32 by failure mode.
    """

    rows: NDArray[np.intp]
    own: dict[str, Values]
    load: Values
    ambient_c: Values
    severity: dict[str, Values]

    @classmethod
    def of(cls, state: Mapping[str, Values], parameters: Mapping[str, Values], inputs: Inputs) -> Apart | None:
        """Motors that the plain rule of the fleet does not describe, now or since the last step; None: there are none.

        The state must not have been advanced yet.
        """
        apart = state["apart"]
        if not inputs.failures and not inputs.drives and not apart.any():
            return None
        now: Mask = state["spall"] > 0.0
        for severity in inputs.failures.values():
            now |= severity > 0.0
        for given in inputs.drives.values():
            now |= ~np.isnan(given)
        rows = np.flatnonzero(now | (apart > 0.0))
        if not len(rows):
            return None
        own = {name: column[rows] for name, column in (*state.items(), *parameters.items())}
        own["apart"] = now[rows].astype(np.float32)
        nothing = np.zeros(len(rows), np.float32)
        severities = {
            mode.name: inputs.failures[mode.name][rows] if mode.name in inputs.failures else nothing
            for mode in FAILURES
        }
        load, ambient_c = (
            np.clip(inputs.drives[one.name][rows], one.lowest, one.highest).astype(np.float32)
            if one.name in inputs.drives
            else np.full(len(rows), np.nan, np.float32)
            for one in DRIVES
        )
        return cls(rows, own, load, np.where(np.isnan(ambient_c), own["ambient_c"], ambient_c), severities)

    @property
    def friction_w(self) -> Values:
        """What the bearing turns into heat beyond its normal share; the shaft has to give it."""
        return self.severity[DRY] * DRY_FRICTION_W + self.own["spall"] * SPALL_FRICTION_W

    # --- work ---------------------------------------------------------------------------------------------------------

    def work(self, inputs: Inputs) -> None:
        """Advance by the step."""
        own = self.own
        running = np.ones(len(self.rows), np.bool_) if inputs.running is None else inputs.running[self.rows]
        self._break_out(running)
        heat = _Heat.of(self, running)
        share = (1.0 - BELT_SHARE), BELT_SHARE + IMBALANCE_LOAD * self.severity[IMBALANCE]
        worn_s = np.zeros(len(self.rows))
        at_us = inputs.now_us - inputs.dt_us
        given = ~np.isnan(self.load)
        longest_us = inputs.dt_us if given.all() else LEVEL_US
        load = self._load(at_us, given)
        while at_us < inputs.now_us:
            part_us = min(longest_us, inputs.now_us - at_us)
            at_us += part_us
            # With its load of before for so long, and with the new one since.
            since_s = np.zeros(len(self.rows))
            if not given.all():
                changed, ago_s = changed_levels(own["phase_s"], at_us, part_us)
                since_s[changed] = np.minimum(ago_s, part_us / SECOND_US)
                since_s[given] = 0.0
            old, load = load, self._load(at_us, given)
            for share_then, seconds in ((old, part_us / SECOND_US - since_s), (load, since_s)):
                if seconds.any():
                    heat.relax(share_then, seconds)
                    worn_s += _cube(share_then * share[0] + share[1]) * seconds
        own["load"] = load
        own["winding_c"], own["case_c"] = heat.winding_c.astype(np.float32), heat.case_c.astype(np.float32)
        pace = 1.0 + (DRY_WEAR - 1.0) * self.severity[DRY]
        worn = worn_s * own["life_rate_per_s"] * pace * running
        add_to(own["wear"], own["wear_rest"], worn.astype(np.float32))
        np.minimum(own["wear"], np.float32(WORST_WEAR), out=own["wear"])
        # Over what the duty profile alone asks for on the mean; a load that is given stays as it is.
        mean = np.where(given, _cube(load * share[0] + share[1]), mean_cube(own["duty"], share[1]))
        own["pace"] = (pace * mean / mean_cube(own["duty"])).astype(np.float32)
        # Heat ages the winding's insulation: by its temperature at the end of the step, and, in what is foretold, by
        # that of the mean load. Once nothing is wrong any more, that is of no account again.
        aged = _ageing_per_s(own["winding_c"]) * running * (inputs.dt_us / SECOND_US)
        add_to(own["aged"], own["aged_rest"], aged.astype(np.float32))
        square = np.where(given, load * load, own["duty"] * own["duty"] * np.float32(MEAN_SQUARE))
        own["ageing_per_s"] = (_ageing_per_s(heat.settled_c(square)) * own["apart"]).astype(np.float32)

    def _load(self, at_us: int, given: Mask) -> Values:
        if given.all():
            return self.load
        return np.where(given, self.load, level(self.own, np.arange(len(self.rows)), at_us))

    def _break_out(self, running: Mask) -> None:
        """A spall shakes like general wear that far: vibration grows with the spall as with the eighth power of wear.

        Once there it stays, whatever becomes of its cause. A bearing that stands still does not break out.
        """
        own = self.own
        own["spall"] = np.where(running, np.maximum(own["spall"], self.severity[SPALL]), own["spall"])
        as_worn = np.sqrt(np.sqrt(np.sqrt(own["spall"])))
        jumps = as_worn > own["wear"]
        own["wear"][jumps] = as_worn[jumps]
        own["wear_rest"][jumps] = 0.0

    def write(self, state: Mapping[str, Values]) -> None:
        """Back into the state of the block."""
        for name, column in state.items():
            column[self.rows] = self.own[name]

    # --- what is measured ---------------------------------------------------------------------------------------------

    def shaft_load(self, load: Values) -> Values:
        """Load of the whole block, with the friction that these overcome on top: a new column."""
        total = load.copy()
        total[self.rows] += self.friction_w / np.float32(RATED_W)
        return total

    def tell(self, parameters: Mapping[str, Values], noise: Values, out: Values, channels: tuple[Channel, ...]) -> None:
        """Turn what `out` says of these into what their sensors read, which end somewhere."""
        rows = self.rows
        slip = (self.own["load"] + self.friction_w / np.float32(RATED_W)) * np.float32(RATED_SLIP_RPM / SYNCHRONOUS_RPM)
        turns = 1.0 - slip
        shaken = self.severity[IMBALANCE] * np.float32(IMBALANCE_MM_S) * turns * turns
        for axis, share in ((1, "x_share"), (2, "y_share"), (3, "")):
            vibration = out[axis][rows] * (1.0 + np.float32(DRY_VIBRATION) * self.severity[DRY])
            if share:
                # Sounds of different origin add up as powers; the sensor's scatter multiplies all of them.
                radial = shaken * parameters[share][rows] * (1.0 + np.float32(VIBRATION_NOISE) * noise[axis][rows])
                vibration = np.sqrt(vibration * vibration + radial * radial)
            out[axis][rows] = np.minimum(vibration, np.float32(channels[axis].highest))
        out[0][rows] = np.clip(out[0][rows], channels[0].lowest, channels[0].highest)


@dataclass
class _Heat:
    """Heat balance of winding and case, each motor with its own resistance to air: float64 (k,) columns.

    The same pair of equations as `TwoNode`, whose closed solution this is. `rise` raises the resistances and lowers the
    capacities, so that it leaves the rates alone.
    """

    winding_c: Floats
    case_c: Floats
    ambient_c: Floats
    rise: Floats
    friction_w: Floats
    air_k_w: Floats
    powered: Floats
    slow_per_s: Floats
    fast_per_s: Floats

    @classmethod
    def of(cls, apart: Apart, running: Mask) -> _Heat:
        node, own = RUNNING, apart.own
        blocked = node.case_air_k_w * (1.0 + BLOCKED * apart.severity[OVERHEATING].astype(np.float64))
        air_k_w = np.where(running, blocked, STOPPED.case_air_k_w)
        half = (_TO_CASE + _TO_WINDING + _loss(node, air_k_w)) / 2.0
        # As in `TwoNode`: a sum of squares that cannot cancel.
        uneven = (_TO_CASE - _loss(node, air_k_w) + _TO_WINDING) / 2.0
        fast = half + np.sqrt(uneven * uneven + _TO_WINDING * _loss(node, air_k_w))
        return cls(
            own["winding_c"].astype(np.float64),
            own["case_c"].astype(np.float64),
            apart.ambient_c.astype(np.float64),
            own["rise"].astype(np.float64),
            apart.friction_w.astype(np.float64),
            air_k_w,
            running.astype(np.float64),
            _TO_CASE * _loss(node, air_k_w) / fast,
            fast,
        )

    def settled_c(self, square: Values) -> Floats:
        """Where the winding's temperature settles at this mean square of the load."""
        copper_w = COPPER_W * square
        heat_k = (copper_w + CONSTANT_W + self.friction_w) * self.air_k_w + copper_w * RUNNING.winding_case_k_w
        return self.ambient_c + self.rise * heat_k

    def relax(self, load: Values, seconds: Floats) -> None:
        """Go on for so long with this mechanical load."""
        shaft = load + self.friction_w / RATED_W
        copper_w = COPPER_W * shaft * shaft * self.powered
        case_w = (CONSTANT_W + self.friction_w) * self.powered
        case_end = self.ambient_c + self.rise * (copper_w + case_w) * self.air_k_w
        winding_k = case_end + self.rise * copper_w * RUNNING.winding_case_k_w - self.winding_c
        case_k = case_end - self.case_c
        slow, fast = self.slow_per_s, self.fast_per_s
        slow_gone, fast_gone = (gone((rate * seconds).astype(np.float32)).astype(np.float64) for rate in (slow, fast))
        span = fast - slow
        mixed = (fast_gone - slow_gone) / span
        # 1 minus the diagonal of the matrix exponential, and its other two entries.
        winding_gone = (slow_gone * (fast - _TO_CASE) - fast_gone * (slow - _TO_CASE)) / span
        case_left = _TO_WINDING + _loss(RUNNING, self.air_k_w)
        case_gone = (slow_gone * (fast - case_left) - fast_gone * (slow - case_left)) / span
        self.winding_c += winding_k * winding_gone - case_k * (_TO_CASE * mixed)
        self.case_c += case_k * case_gone - winding_k * (_TO_WINDING * mixed)


_TO_CASE: Final = 1.0 / (RUNNING.winding_case_k_w * RUNNING.winding_j_k)
_TO_WINDING: Final = 1.0 / (RUNNING.winding_case_k_w * RUNNING.case_j_k)
"""Rates at which winding and case feel each other, 1/s; `_loss` is that of the case and the air."""


def _ageing_per_s(winding_c: Values | Floats) -> Floats:
    """Share of the insulation's life that a second at this temperature takes."""
    halvings = np.clip((winding_c.astype(np.float64) - CLASS_C) / HALVES_K, -30.0, 30.0)
    return exact.exp(halvings * exact.log(2.0)) / INSULATION_S


def _cube(values: Values) -> Values:
    return values * values * values  # `**` asks the C library, whose last bit depends on the machine


def _loss(node: TwoNode, air_k_w: Floats) -> Floats:
    return 1.0 / (air_k_w * node.case_j_k)
