"""Units of measurement that scenarios may write where a channel has another one of the same dimension."""

from __future__ import annotations

from typing import Final, Protocol

_SCALES: Final = (
    {"C": 1.0, "K": 1.0, "F": 5.0 / 9.0},
    {"Pa": 1.0, "hPa": 100.0, "mbar": 100.0, "kPa": 1e3, "bar": 1e5, "MPa": 1e6, "psi": 6894.757},
    {"mm/s": 1e-3, "m/s": 1.0, "km/h": 1.0 / 3.6, "mph": 0.44704},
    {"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3},
    {"mA": 1e-3, "A": 1.0},
    {"mV": 1e-3, "V": 1.0, "kV": 1e3},
    {"W": 1.0, "kW": 1e3, "MW": 1e6},
    {"Wh": 1.0, "kWh": 1e3},
    {"l/min": 1.0 / 60.0, "l/s": 1.0, "m3/h": 1.0 / 3.6},
    {"rpm": 1.0 / 60.0, "Hz": 1.0},
    {"g": 1e-3, "kg": 1.0},
    {"ms": 1e-3, "s": 1.0, "min": 60.0},
    {"1/s": 1.0, "1/min": 1.0 / 60.0, "1/h": 1.0 / 3600.0, "1/d": 1.0 / 86400.0},
)
"""Units of one dimension, each as a multiple of the same base. Temperatures as differences: 1 F is 5/9 K."""


class Measured(Protocol):
    """What has a unit and a range: a channel, a parameter."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def lowest(self) -> float: ...
    @property
    def highest(self) -> float: ...


class UnitError(ValueError):
    """A unit that a channel cannot be told in; the text says which it can."""


def difference_in(channel: Measured, value: float, unit: str) -> float:
    """A difference in the channel's own unit.

    Args:
        unit: the channel's, one of the same dimension, or ``%``: a share of the channel's range.

    Raises:
        UnitError: if the unit is of another dimension.

    Example:
        >>> from twinstorm.twin.flow import Channel
        >>> difference_in(Channel("pressure_hpa", "hPa", 300.0, 1100.0, 0.02, 700.0), 0.01, "bar")
        10.0
    """
    if unit == channel.unit:
        return value
    if unit == "%":
        return value / 100.0 * (channel.highest - channel.lowest)
    for scale in _SCALES:
        if unit in scale and channel.unit in scale:
            return value * scale[unit] / scale[channel.unit]
    allowed = next((sorted(scale) for scale in _SCALES if channel.unit in scale), [channel.unit])
    raise UnitError(f"{channel.name} is in {channel.unit}; write {', '.join(allowed)}, or % of its range, not {unit}")


def line_to(channel: Measured, unit: str) -> tuple[float, float]:
    """Gain and shift that turn a value of this channel into another unit.

    Args:
        unit: of the same dimension; empty: the one that is most often mistaken for the channel's.

    Raises:
        UnitError: if the unit is of another dimension, or none is known.

    Example:
        >>> from twinstorm.twin.flow import Channel
        >>> line_to(Channel("inlet_c", "C", -40.0, 85.0, 0.01), "F")
        (1.8, 32.0)
    """
    unit = unit or mistaken_for(channel)
    if unit and unit == channel.unit:
        return 1.0, 0.0
    if channel.unit in _ZEROS and unit in _ZEROS:
        gain = _SCALES[0][channel.unit] / _SCALES[0][unit]
        return round(gain, 12), round((_ZEROS[channel.unit] - _ZEROS[unit]) / _SCALES[0][unit], 6)
    for scale in _SCALES:
        if unit in scale and channel.unit in scale:
            return scale[channel.unit] / scale[unit], 0.0
    if channel.unit == "%" and unit == "share":
        return 0.01, 0.0
    allowed = next((sorted(scale) for scale in _SCALES if channel.unit in scale), [])
    raise UnitError(f"{channel.name} is in {channel.unit}; {_one_of(allowed)}")


_ZEROS: Final = {"C": 273.15, "K": 0.0, "F": 459.67 * 5.0 / 9.0}
"""Zero of each scale of temperature, in kelvin."""
_MISTAKEN: Final = {
    "C": "F", "K": "C", "hPa": "Pa", "kPa": "bar", "bar": "psi", "mm/s": "m/s", "m/s": "km/h", "km/h": "mph", "m": "mm",
    "A": "mA", "V": "mV", "W": "kW", "kW": "W", "kWh": "Wh", "l/min": "m3/h", "rpm": "Hz", "Hz": "rpm", "kg": "g",
    "ms": "s", "s": "ms", "%": "share",
}  # fmt: skip


def mistaken_for(channel: Measured) -> str:
    """The unit that is most often mistaken for the channel's; empty: none is known."""
    return _MISTAKEN.get(channel.unit, "")


def _one_of(units: list[str]) -> str:
    return f"write one of {', '.join(units)}" if units else "no other unit of it is known"


def value_in(measured: Measured, value: float, unit: str) -> float:
    """A value written in some unit, in that of what is measured.

    Raises:
        UnitError: if the unit is of another dimension.
    """
    if unit == measured.unit:
        return value
    gain, shift = line_to(measured, unit)
    return (value - shift) / gain
