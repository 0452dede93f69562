"""Kinds of quantity in expressions, and what may be done with them: a share is never compared with a duration."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a number means. Values are shares of 1, seconds, and so on per second."""

    NUMBER = "number"
    """A plain number as written; goes with counts and scales everything."""
    SHARE = "share"
    COUNT = "count"
    DURATION = "duration"
    RATE = "rate"
    SHARE_RATE = "share per time"
    TRUTH = "condition"

    @property
    def spoken(self) -> str:
        return f"a {self.value}"


def common(a: Kind, b: Kind) -> Kind | None:
    """The kind that both are, for comparing, adding, `min` and `max`; None if they do not go together."""
    if a is b:
        return a
    return Kind.COUNT if {a, b} == {Kind.NUMBER, Kind.COUNT} else None


def product(a: Kind, b: Kind) -> Kind | None:
    """Kind of a * b; None if it means nothing."""
    return _PRODUCTS.get((a, b), _PRODUCTS.get((b, a)))


def quotient(a: Kind, b: Kind) -> Kind | None:
    """Kind of a / b; None if it means nothing."""
    if b in (Kind.NUMBER, Kind.SHARE) and a is not Kind.TRUTH:
        return Kind.SHARE if b is Kind.SHARE and a is Kind.NUMBER else a
    if a is b and a is not Kind.TRUTH:
        return Kind.SHARE
    return _QUOTIENTS.get((Kind.COUNT if a is Kind.NUMBER else a, b))


def change(of: Kind) -> Kind | None:
    """Kind of `rate(x, window)`; None if it means nothing."""
    return quotient(of, Kind.DURATION)


_MEASURED = (Kind.NUMBER, Kind.SHARE, Kind.COUNT, Kind.DURATION, Kind.RATE, Kind.SHARE_RATE)

_PRODUCTS: dict[tuple[Kind, Kind], Kind] = {
    **{(Kind.NUMBER, kind): kind for kind in _MEASURED},
    **{(Kind.SHARE, kind): kind for kind in _MEASURED if kind is not Kind.NUMBER},
    (Kind.RATE, Kind.DURATION): Kind.COUNT,
    (Kind.SHARE_RATE, Kind.DURATION): Kind.SHARE,
    (Kind.COUNT, Kind.SHARE_RATE): Kind.RATE,
    (Kind.COUNT, Kind.DURATION): Kind.DURATION,
}

_QUOTIENTS: dict[tuple[Kind, Kind], Kind] = {
    (Kind.COUNT, Kind.COUNT): Kind.SHARE,
    (Kind.COUNT, Kind.DURATION): Kind.RATE,
    (Kind.COUNT, Kind.RATE): Kind.DURATION,
    (Kind.DURATION, Kind.COUNT): Kind.DURATION,
    (Kind.SHARE, Kind.DURATION): Kind.SHARE_RATE,
    (Kind.RATE, Kind.COUNT): Kind.SHARE_RATE,
    (Kind.SHARE, Kind.SHARE_RATE): Kind.DURATION,
}
