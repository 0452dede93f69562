"""R134a against printed tables; evaporator, compressor and condenser against a plain search for their balance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.twin.flow import Values
from twinstorm.twin.physics import refrigerant, vapour_cycle
from twinstorm.twin.physics.vapour_cycle import EVAPORATOR, Balance, balance


def column(*values: float) -> Values:
    return np.array(values, np.float32)


# Saturation pressure in bar absolute by temperature in C, as refrigerant makers print it (from NIST's REFPROP).
PRINTED = {
    -40.0: 0.512,
    -26.07: 1.0133,
    -20.0: 1.327,
    0.0: 2.928,
    10.0: 4.146,
    25.0: 6.654,
    40.0: 10.166,
    60.0: 16.818,
    80.0: 26.332,
}


def test_saturation_pressure_agrees_with_printed_tables() -> None:
    found = refrigerant.saturation_bar(np.array(list(PRINTED)))
    assert found == pytest.approx(list(PRINTED.values()), rel=8e-4)


def test_the_table_of_the_steps_is_the_equation() -> None:
    temperature_c = np.linspace(-59.9, 99.9, 4_001)
    found = refrigerant.pressure_bar(temperature_c.astype(np.float32))
    assert found.dtype == np.float32
    assert found == pytest.approx(refrigerant.saturation_bar(temperature_c), rel=1.2e-4)
    assert (np.diff(found) > 0).all()


def test_past_the_ends_of_the_table_they_stand() -> None:
    low, high = refrigerant.pressure_bar(column(-90.0, 300.0))
    assert low == pytest.approx(float(refrigerant.saturation_bar(np.array([-60.0]))[0]), rel=1e-5)
    assert high == pytest.approx(float(refrigerant.saturation_bar(np.array([100.0]))[0]), rel=1e-2)


def settled(
    cooled_c: float, air_c: float, evaporator: float = 1.0, condenser: float = 1.0, cop: float = 3.3
) -> Balance:
    full = vapour_cycle.condenser(column(cop)) * np.float32(condenser)
    return balance(column(cooled_c), column(air_c), column(evaporator * EVAPORATOR), full, column(cop))


def test_at_rated_conditions_everything_is_rated() -> None:
    rated = settled(7.0, 32.0)
    assert rated.evaporating_c == pytest.approx(2.0, abs=1e-4)
    assert rated.condensing_c == pytest.approx(45.0, abs=1e-4)
    assert rated.capacity == pytest.approx(1.0, abs=1e-5)
    assert vapour_cycle.power(rated.evaporating_c, rated.condensing_c) == pytest.approx(1.0, abs=1e-5)


@settings(max_examples=200, deadline=None)
@given(st.floats(-5.0, 26.0), st.floats(-20.0, 50.0), st.floats(0.1, 1.1), st.floats(0.35, 1.1), st.floats(2.0, 5.0))
def test_heat_balances_on_both_sides(
    cooled_c: float, air_c: float, evaporator: float, condenser: float, cop: float
) -> None:
    """What evaporates is what the compressor draws; the condenser gives off that and the power, or fans slow down."""
    cooled_c, air_c = float(np.float32(cooled_c)), float(np.float32(air_c))
    found = settled(cooled_c, air_c, evaporator, condenser, cop)
    x, y = float(found.evaporating_c[0]) - 2.0, float(found.condensing_c[0]) - 45.0
    drawn = 1 + 0.035 * x - 0.011 * y
    assert float(found.capacity[0]) == pytest.approx(drawn, abs=1e-4)
    assert evaporator * EVAPORATOR * (cooled_c - 2.0 - x) == pytest.approx(drawn, abs=1e-3)
    rejected = drawn + (1 + 0.004 * x + 0.018 * y) / cop
    given_off = condenser * (1 + 1 / cop) / 13.0 * (45.0 + y - air_c)
    if found.condensing_c[0] > vapour_cycle.LOWEST_CONDENSING_C:
        assert given_off == pytest.approx(rejected, abs=2e-3)
    else:
        assert given_off >= rejected - 2e-3


def test_what_makes_it_harder() -> None:
    """Warmer air and a fouled condenser cost capacity and power; a starved evaporator boils colder at less power."""
    usual = settled(7.0, 30.0)
    for hard in (settled(7.0, 40.0), settled(7.0, 30.0, condenser=0.5)):
        assert hard.condensing_c[0] > usual.condensing_c[0] + 5
        assert hard.capacity[0] < usual.capacity[0]
        assert vapour_cycle.power(hard.evaporating_c, hard.condensing_c) > vapour_cycle.power(
            usual.evaporating_c, usual.condensing_c
        )
    starved = settled(7.0, 30.0, evaporator=0.3)
    assert starved.evaporating_c[0] < usual.evaporating_c[0] - 5
    assert starved.condensing_c[0] < usual.condensing_c[0]
    assert starved.capacity[0] < usual.capacity[0]


def test_capacity_grows_with_warmer_water_by_what_is_told() -> None:
    """At the same condensing temperature, here held by slow fans."""
    cold, warm = settled(7.0, -10.0), settled(8.0, -10.0)
    assert cold.condensing_c[0] == warm.condensing_c[0] == vapour_cycle.LOWEST_CONDENSING_C
    assert warm.capacity - cold.capacity == pytest.approx(cold.per_k, rel=1e-4)
