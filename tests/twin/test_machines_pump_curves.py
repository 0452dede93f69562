"""Pump and system curve: closed cases, the affinity laws, a plain search for the crossing, energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.twin.flow import Values
from twinstorm.twin.physics import pump_curves as curves
from twinstorm.twin.physics.pump_curves import Asked, Duty, Ills, meet


def column(*values: float) -> Values:
    return np.array(values, np.float32)


def asked(**given: float | Values) -> Asked:
    """Rated speed and demand, a vessel that is never empty, and what is given."""
    usual = {"speed": 1.0, "demand": 1.0, "vessel": 0.6, "usual": 0.6, "vapour": 0.0, "need": 0.1} | given
    width = max(np.size(value) for value in usual.values())
    return Asked(**{name: np.broadcast_to(np.float32(value), width).copy() for name, value in usual.items()})


def test_at_the_rated_point_everything_is_rated() -> None:
    duty = meet(asked(), Ills())
    assert duty.flow == pytest.approx(1.0, abs=1e-6)
    assert duty.lift == pytest.approx(1.0, abs=1e-6)
    assert duty.shaft == pytest.approx(1.0, abs=1e-6)
    assert duty.useful == pytest.approx(curves.EFFICIENCY, abs=1e-6)
    assert not duty.bubbles.any()


def test_valves_pass_the_demand_at_rated_speed() -> None:
    demand = column(0.02, 0.3, 0.7, 1.0, 1.2)
    duty = meet(asked(demand=demand), Ills())
    assert duty.flow == pytest.approx(demand, rel=1e-5)
    assert duty.lift == pytest.approx(curves.SHUT_OFF - curves.DROOP * demand**2, rel=1e-5)


def test_affinity_laws_hold_where_pipes_have_no_static_lift() -> None:
    """Flow goes with the speed, head with its square, the impeller's power with its cube."""
    speed = column(0.3, 0.5, 0.8, 1.0, 1.1)
    ring = asked(speed=speed, vessel=0.6 + curves.STATIC, demand=0.9)
    duty = meet(ring, Ills())
    assert duty.flow / speed == pytest.approx(float(duty.flow[3]), rel=1e-5)
    assert duty.lift / speed**2 == pytest.approx(float(duty.lift[3]), rel=1e-4)
    assert duty.churned / speed**3 == pytest.approx(float(duty.churned[3]), rel=1e-5)


def test_too_slow_to_lift_anything() -> None:
    """Below the speed whose shut-off head is the static lift no water moves; the flange feels the shut-off head."""
    slowest = (curves.STATIC / curves.SHUT_OFF) ** 0.5
    duty = meet(asked(speed=column(slowest * 0.98, slowest * 1.02)), Ills())
    assert duty.flow[0] == 0.0
    assert duty.lift[0] == pytest.approx(curves.SHUT_OFF * (slowest * 0.98) ** 2, rel=1e-5)
    assert duty.flow[1] > 0.05
    assert duty.useful[0] == 0.0
    assert duty.shaft[0] > 0.0


def crossing(speed: float, demand: float, raised: float, wet: float, clogged: float, leaking: float) -> float:
    """Delivered flow where head given and head asked agree, by bisection."""
    k = (curves.SHUT_OFF - curves.STATIC) / demand**2 - curves.DROOP
    low, high = 0.0, 2.0
    for _ in range(80):
        q = (low + high) / 2
        through = q + leaking
        spare = wet * (curves.SHUT_OFF * speed**2 - curves.DROOP * through**2)
        spare -= curves.CLOGGED * clogged**2 * through**2 + raised + k * q**2
        low, high = (q, high) if spare > 0 else (low, q)
    return low


CASES = st.tuples(
    st.floats(0.5, 1.1), st.floats(0.1, 1.2), st.floats(0.0, 0.5), st.floats(0.0, 0.3), st.floats(0.0, 1.0)
)


@settings(max_examples=150, deadline=None)
@given(CASES)
def test_the_closed_solution_is_where_the_curves_cross(case: tuple[float, float, float, float, float]) -> None:
    speed, demand, dry, clogged, leak = (float(np.float32(value)) for value in case)
    ills = Ills(column(dry), column(clogged), column(leak))
    # A vessel so high that suction gives whatever is asked; the lift is counted from there.
    duty = meet(asked(speed=speed, demand=demand, vessel=50.0, usual=50.0), ills)
    wet = 1 - dry
    wanted = crossing(speed, demand, curves.STATIC, wet, clogged, curves.LEAK * leak * speed * wet)
    assert duty.flow[0] == pytest.approx(wanted, abs=2e-3 if wanted < 0.05 else 2e-4)


@settings(max_examples=150, deadline=None)
@given(CASES, st.floats(0.0, 0.8), st.floats(0.0, 0.3), st.floats(0.02, 0.3))
def test_no_pump_gives_more_than_it_gets(
    case: tuple[float, float, float, float, float], vessel: float, vapour: float, need: float
) -> None:
    """Whatever is wrong: no power out of nothing, no pressure below that of vapour, nothing negative or without end."""
    speed, demand, dry, clogged, leak = case
    ills = Ills(column(dry), column(clogged), column(leak))
    duty = meet(asked(speed=speed, demand=demand, vessel=vessel, vapour=vapour, need=need), ills)
    for name in ("flow", "through", "lift", "bubbles", "churned", "useful", "shaft"):
        value = float(getattr(duty, name)[0])
        assert 0.0 <= value < 3.0, name
    assert duty.useful[0] <= duty.churned[0] + 1e-6
    assert duty.churned[0] <= duty.shaft[0]
    assert duty.lift[0] <= curves.SHUT_OFF * speed**2 + 1e-5
    assert duty.inlet[0] >= np.float32(vapour)
    assert duty.bubbles[0] <= 1.0


def test_nothing_wrong_is_the_same_as_nothing_told() -> None:
    rng = np.random.default_rng(3)
    speed, demand = rng.uniform(0.4, 1.1, (2, 500)).astype(np.float32)
    some = asked(speed=speed, demand=demand, vessel=0.3)
    none, zero = meet(some, Ills()), meet(some, Ills(*(np.zeros(500, np.float32) for _ in range(3))))
    for name in ("flow", "through", "inlet", "lift", "bubbles", "churned", "useful", "shaft"):
        assert np.array_equal(getattr(none, name), getattr(zero, name)), name


def suffering(vessel: Values) -> Duty:
    return meet(asked(vessel=vessel, usual=0.6, vapour=0.02), Ills())


def test_a_lower_vessel_brings_bubbles_first_and_then_less_water() -> None:
    """NPSH available against required: harm from twice the need on, breakdown at 0.7 of it."""
    vessel = np.linspace(0.4, 0.05, 200).astype(np.float32)
    duty = suffering(vessel)
    available = duty.inlet - 0.02
    required = 0.1 * (curves.NPSH_AT_REST + (1 - curves.NPSH_AT_REST) * duty.flow**2)
    margin = available / required
    assert (np.diff(duty.flow) <= 1e-6).all()
    assert (duty.bubbles[margin >= curves.INCEPTION + 1e-4] == 0).all()
    broken = (duty.bubbles == 1.0) & (duty.flow > 0.01)
    assert broken.any()
    assert margin[broken] == pytest.approx(curves.BREAKDOWN, abs=2e-3)
    between = (margin < curves.INCEPTION - 0.01) & (margin > curves.BREAKDOWN + 0.01)
    assert ((duty.bubbles[between] > 0) & (duty.bubbles[between] < 1)).all()


def test_at_breakdown_no_valve_downstream_draws_more() -> None:
    some = asked(vessel=0.08, usual=0.08, demand=column(0.9, 1.0, 1.2))
    duty = meet(some, Ills())
    assert duty.bubbles == pytest.approx(1.0, abs=1e-5)
    assert duty.flow == pytest.approx(float(duty.flow[0]), rel=1e-6)
    assert (np.diff(duty.lift) < 0).all()


def test_a_pump_without_suction_head_loses_its_prime() -> None:
    duty = suffering(column(0.02, 0.03, 0.6))
    assert duty.wet is not None
    assert duty.wet[0] == 0.0
    assert 0.0 < duty.wet[1] < 1.0
    assert duty.wet[2] == 1.0
    assert duty.flow[0] == duty.lift[0] == duty.churned[0] == 0.0
    assert duty.shaft[0] == pytest.approx(curves.MECHANICAL)


def test_what_leaks_is_pumped_and_does_not_arrive() -> None:
    well = meet(asked(), Ills())
    ill = meet(asked(), Ills(leak=column(1.0)))
    assert ill.flow[0] < well.flow[0]
    assert ill.through[0] == pytest.approx(ill.flow[0] + curves.LEAK, rel=1e-6)
    assert ill.through[0] > well.through[0]
    assert ill.lift[0] < well.lift[0]
    assert ill.shaft[0] > well.shaft[0]
    assert ill.useful[0] / ill.shaft[0] < well.useful[0] / well.shaft[0]


def test_arguments_are_left_alone() -> None:
    some = asked(speed=0.9)
    before = replace(some, **{name: getattr(some, name).copy() for name in ("speed", "demand", "vessel", "need")})
    ills = Ills(column(0.3), column(0.3), column(0.3))
    meet(some, ills)
    for name in ("speed", "demand", "vessel", "need"):
        assert np.array_equal(getattr(some, name), getattr(before, name))
    assert ills.dry is not None
    assert ills.dry[0] == np.float32(0.3)
