"""Where the curve of a centrifugal pump meets that of the pipes, with a suction side that may not give enough.

Flow and speed are counted in rated ones (q, n), heads in rated heads (h), power in rated shaft power:

- pump: h = 1.25 n**2 - 0.25 q**2, a parabola that the affinity laws carry along: q goes with n, h with n**2, power
  with n**3. Without flow an impeller of this sort needs 0.45 of its rated power, at constant speed linearly more with
  flow: the hydraulic efficiency is then best at q = n and falls to both sides;
- pipes: h = 0.25 + k q**2, static lift and the consumers' valves. Both curves meet in the root of a quadratic equation;
- suction: the head above that of vapour at the flange (NPSH available) against what the pump needs (NPSH required,
  n**2 / 3 + 2/3 q**2 of that at the rated point). At twice the need the first bubbles do harm; at 0.7 of it the head
  breaks down, a vertical line that no valve downstream can move.

Source: J. F. Guelich, Centrifugal Pumps, chapters 2 (affinity), 4 (curves), 6 (NPSH) and 11 (systems); the figures are
those of a common radial pump (assumed). Every column is float32 (n,); every function returns new arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.twin.flow import Values

SHUT_OFF: Final = 1.25
"""Head without flow."""
DROOP: Final = SHUT_OFF - 1.0
STATIC: Final = 0.25
"""Lift from the usual level of the suction vessel to the consumers."""
SUCTION_PIPE: Final = 0.03
"""Head lost in the suction pipe at rated flow; it is part of k."""
CLOGGED: Final = 40.0
"""Head lost at rated flow in a strainer that is as good as shut."""
LEAK: Final = 0.30
"""Flow lost through seal and wear rings that are gone, at rated speed."""
NPSH_AT_REST: Final = 1.0 / 3.0
"""Share of the rated NPSH required that does not depend on flow."""
INCEPTION, BREAKDOWN = 2.0, 0.7
"""NPSH available over required where bubbles begin to do harm, and where the head is gone."""
EFFICIENCY: Final = 0.76
"""At the rated point."""
IDLE: Final = 0.45
"""Power without flow."""
MECHANICAL: Final = 0.04
"""Share of the rated power that bearings and seal take, part of `IDLE`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What meets.

    Attributes:
        speed: >= 0; 0 of a pump that stands still.
        demand: flow that the valves would pass at rated speed, > 0, at most 1.2.
        vessel: head of the suction vessel above vacuum. usual: what the lift to the consumers is counted from.
        vapour: head of the liquid's vapour pressure.
        need: NPSH required at the rated point.
    """

    speed: Values
    demand: Values
    vessel: Values
    usual: Values
    vapour: Values
    need: Values


@dataclass(frozen=True, slots=True)
class Ills:
    """What is wrong with the pump, 0..1 each; None: nothing, in no pump. Zeros give the same bits.

    Attributes:
        dry: share of gas in what should be liquid. clogged: see `CLOGGED`. leak: see `LEAK`.
    """

    dry: Values | None = None
    clogged: Values | None = None
    leak: Values | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """Where they meet.

    Attributes:
        flow: what the consumers get. through: with what leaks, through the impeller.
        inlet: head at the suction flange above vacuum. lift: what the pump adds.
        bubbles: 0 none, 1 the head breaks down.
        wet: share of liquid in the pump; None: all of it, in every pump.
        churned: power into the impeller. useful: power of the water that arrives. shaft: `churned` and `MECHANICAL`.
    """

    flow: Values
    through: Values
    inlet: Values
    lift: Values
    bubbles: Values
    wet: Values | None
    churned: Values
    useful: Values
    shaft: Values


def meet(asked: Asked, ills: Ills) -> Duty:
    """The operating point."""
    speed = asked.speed
    square = speed * speed
    positive = asked.vessel - asked.vapour
    wet = _wet(ills.dry, positive, square * asked.need)
    leaking = None
    if ills.leak is not None:
        leaking = ills.leak * speed
        leaking *= LEAK
        if wet is not None:
            leaking *= wet
    suction: Values | np.float32 = np.float32(SUCTION_PIPE)
    if ills.clogged is not None:
        suction = ills.clogged * ills.clogged
        suction *= CLOGGED
        suction += SUCTION_PIPE

    raised = asked.usual - asked.vessel
    raised += STATIC
    valves = asked.demand * asked.demand
    flow = _crossing(square, raised, valves, wet, suction, leaking)
    np.minimum(flow, _given_by_suction(square, positive, asked.need, suction, leaking), out=flow)
    through = flow if leaking is None else flow + leaking

    through2 = through * through
    available = through2 * suction
    np.subtract(positive, available, out=available)
    np.maximum(available, 0.0, out=available)
    bubbles = _bubbles(square, through2, available, asked.need)
    if wet is not None:
        bubbles *= wet  # in gas nothing collapses
    available += asked.vapour
    lift = _lift(square, raised, valves, wet, suction, flow, through2)

    churned = speed * np.float32(IDLE - MECHANICAL)
    churned += through * np.float32(1.0 - IDLE)
    churned *= square
    if wet is not None:
        churned *= wet
    useful = flow * lift
    useful *= EFFICIENCY
    return Duty(
        flow=flow,
        through=through,
        inlet=available,
        lift=lift,
        bubbles=bubbles,
        wet=wet,
        churned=churned,
        useful=useful,
        shaft=churned + speed * np.float32(MECHANICAL),
    )


def _wet(dry: Values | None, positive: Values, need: Values) -> Values | None:
    """Share of liquid in the pump.

    A pump without even the suction head that it needs for no flow fills with vapour and loses its prime.
    """
    floor = need * np.float32(BREAKDOWN * NPSH_AT_REST)
    starved = positive < floor
    if not np.count_nonzero(starved):
        return None if dry is None else np.float32(1.0) - dry
    wet = np.where(starved, np.maximum(positive, 0.0) / np.maximum(floor, np.float32(1e-9)), np.float32(1.0))
    if dry is not None:
        wet *= np.float32(1.0) - dry
    return wet


def _crossing(
    square: Values,
    raised: Values,
    valves: Values,
    wet: Values | None,
    suction: Values | np.float32,
    leaking: Values | None,
) -> Values:
    """Flow q where both curves cross, with a suction side that never tires.

    With F = droop + strainer, l what leaks, and valves that pass `demand` at rated speed, so that
    k = (shut-off - static) / demand**2 - droop:  F (q + l)**2 + k q**2 = shut-off n**2 - raised, all times demand**2.
    """
    fall: Values | np.float32 = np.float32(DROOP)
    drive = square * SHUT_OFF
    if wet is not None:
        fall = wet * np.float32(DROOP)
        drive *= wet
    fall = fall + (suction - np.float32(SUCTION_PIPE))
    drive -= raised
    if leaking is not None:
        drive -= fall * leaking * leaking
    np.maximum(drive, 0.0, out=drive)
    total = valves * (fall - np.float32(DROOP))
    total += np.float32(SHUT_OFF - STATIC)
    flow = drive * valves
    flow *= total
    if leaking is not None:
        half = valves * fall
        half *= leaking
        flow += half * half
        np.sqrt(flow, out=flow)
        flow -= half
        np.maximum(flow, 0.0, out=flow)
    else:
        np.sqrt(flow, out=flow)
    flow /= total
    return flow


def _given_by_suction(
    square: Values, positive: Values, need: Values, suction: Values | np.float32, leaking: Values | None
) -> Values:
    """Flow at which `BREAKDOWN` of the NPSH required is left."""
    most = square * need
    most *= -BREAKDOWN * NPSH_AT_REST
    most += positive
    most /= need * np.float32(BREAKDOWN * (1.0 - NPSH_AT_REST)) + suction
    np.maximum(most, 0.0, out=most)
    np.sqrt(most, out=most)
    if leaking is not None:
        most -= leaking
        np.maximum(most, 0.0, out=most)
    return most


def _bubbles(square: Values, through2: Values, available: Values, need: Values) -> Values:
    """From 0 at `INCEPTION` to 1 at `BREAKDOWN`."""
    required = through2 * np.float32(1.0 - NPSH_AT_REST)
    required += square * np.float32(NPSH_AT_REST)
    required *= need
    bubbles = required * INCEPTION
    bubbles -= available
    required *= INCEPTION - BREAKDOWN
    required += 1e-9
    bubbles /= required
    bubbles.clip(0.0, 1.0, out=bubbles)
    bubbles *= square > 0.0
    return bubbles


def _lift(
    square: Values,
    raised: Values,
    valves: Values,
    wet: Values | None,
    suction: Values | np.float32,
    flow: Values,
    through2: Values,
) -> Values:
    """Head over both flanges: the lower of what the pump can give and what the pipes ask for."""
    given = square * SHUT_OFF
    given -= through2 * np.float32(DROOP)
    if wet is not None:
        given *= wet
    flow2 = flow * flow
    asked = flow2 / valves
    asked *= SHUT_OFF - STATIC
    flow2 *= DROOP + SUCTION_PIPE
    asked -= flow2
    asked += raised
    asked += through2 * suction
    np.minimum(asked, given, out=asked)
    np.maximum(asked, 0.0, out=asked)
    return asked
