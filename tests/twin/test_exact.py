"""`twin.exact` against decimals of 60 digits, in units of the last place."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin import exact

LARGEST_ERROR_ULP = 1.0
PI = Decimal(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651"
)
PRECISE = Context(prec=90)


def sine(x: Decimal) -> Decimal:
    """By its Taylor series after taking whole turns away."""
    with localcontext(PRECISE):
        x = x - (x / (2 * PI)).to_integral_value() * 2 * PI
        term = total = x
        n = 1
        while abs(term) > Decimal("1e-75"):
            term = -term * x * x / ((n + 1) * (n + 2))
            total += term
            n += 2
        return total


def error_ulp(found: float, truth: Decimal) -> float:
    return float(abs(Fraction(found) - Fraction(truth)) / Fraction(math.ulp(float(truth))))


def exp_truth(x: float) -> Decimal:
    with localcontext(PRECISE):
        return Decimal(x).exp()


def log_truth(x: float) -> Decimal:
    with localcontext(PRECISE):
        return Decimal(x).ln()


def sin_truth(x: float) -> Decimal:
    return sine(Decimal(x))


def cos_truth(x: float) -> Decimal:
    with localcontext(PRECISE):
        return sine(Decimal(x) + PI / 2)


@given(st.floats(-700.0, 709.78))
def test_exp_is_right_to_the_last_place(x: float) -> None:
    assert error_ulp(exact.exp(x), exp_truth(x)) <= LARGEST_ERROR_ULP


@given(st.floats(1e-320, 1e308))
def test_log_is_right_to_the_last_place(x: float) -> None:
    assert error_ulp(exact.log(x), log_truth(x)) <= LARGEST_ERROR_ULP


@given(st.floats(0.99, 1.01).filter(lambda x: x != 1.0))
def test_log_keeps_its_last_place_where_it_goes_through_zero(x: float) -> None:
    assert error_ulp(exact.log(x), log_truth(x)) <= LARGEST_ERROR_ULP


@given(st.floats(-exact.LARGEST_ANGLE, exact.LARGEST_ANGLE).filter(lambda x: abs(x) > 1e-300))
def test_sin_and_cos_are_right_to_the_last_place(x: float) -> None:
    assert error_ulp(exact.sin(x), sin_truth(x)) <= LARGEST_ERROR_ULP
    assert error_ulp(exact.cos(x), cos_truth(x)) <= LARGEST_ERROR_ULP


@given(st.integers(1, 636_619))
def test_sin_and_cos_keep_their_last_place_next_to_their_zeros(quarter_turns: int) -> None:
    x = quarter_turns * (math.pi / 2)
    assert error_ulp(exact.sin(x), sin_truth(x)) <= LARGEST_ERROR_ULP
    assert error_ulp(exact.cos(x), cos_truth(x)) <= LARGEST_ERROR_ULP


@pytest.mark.parametrize(
    ("function", "truth", "low", "high"),
    [
        (exact.exp, exp_truth, -745.0, 709.0),
        (exact.log, log_truth, 1e-9, 1e9),
        (exact.sin, sin_truth, -50.0, 50.0),
        (exact.cos, cos_truth, -50.0, 50.0),
    ],
)
def test_arrays_give_the_same_bits_as_numbers(
    function: Callable[[object], object], truth: Callable[[float], Decimal], low: float, high: float
) -> None:
    xs = low + (high - low) * (np.arange(501) + 0.37) / 501
    found = function(xs)
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [function(x) for x in xs.tolist()]
    normal = np.abs(found) > 1e-300
    worst = max(error_ulp(y, truth(x)) for x, y in zip(xs[normal].tolist(), found[normal].tolist(), strict=True))
    assert worst <= LARGEST_ERROR_ULP


def test_bits_are_the_same_everywhere() -> None:
    """If one of these changes, every digest of every run changes."""
    assert [exact.exp(1.0).hex(), exact.exp(-0.1).hex()] == ["0x1.5bf0a8b145769p+1", "0x1.cf46d99d52b3ap-1"]
    assert [exact.log(10.0).hex(), exact.log(0.9).hex()] == ["0x1.26bb1bbb55516p+1", "-0x1.af8e8210a415cp-4"]
    assert [exact.sin(1.0).hex(), exact.cos(1.0).hex()] == ["0x1.aed548f090ceep-1", "0x1.14a280fb5068cp-1"]


def test_ends_of_the_range() -> None:
    assert exact.exp(0.0) == 1.0
    assert exact.exp(710.0) == math.inf
    assert exact.exp(-746.0) == 0.0
    assert exact.exp(-745.0) == 5e-324
    assert exact.exp(math.inf) == math.inf
    assert exact.exp(-math.inf) == 0.0
    assert exact.log(1.0) == 0.0
    assert exact.log(0.0) == -math.inf
    assert exact.log(math.inf) == math.inf
    assert math.isnan(exact.log(-1.0))
    assert math.isnan(exact.log(math.nan))
    assert math.isnan(exact.exp(math.nan))
    assert exact.sin(0.0) == 0.0
    assert exact.cos(0.0) == 1.0


@pytest.mark.parametrize("x", [1.1e6, -math.inf, math.nan])
def test_angles_too_large_to_reduce_are_refused(x: float) -> None:
    with pytest.raises(ValueError, match="radians"):
        exact.sin(x)
    with pytest.raises(ValueError, match="radians"):
        exact.cos(np.array([0.0, x]))


def test_shapes_are_kept() -> None:
    xs = np.linspace(0.1, 2.0, 12).reshape(3, 4)
    for function in (exact.exp, exact.log, exact.sin, exact.cos):
        assert function(xs).shape == (3, 4)
        assert isinstance(function(0.5), float)
