"""`power` of a segment: what supplies its devices and what they draw."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from twinstorm.scenarios.language import values
from twinstorm.scenarios.language.errors import Problems, Refused, quoted
from twinstorm.scenarios.language.fields import Key, Record, Single, Table, of_keys, share, words
from twinstorm.scenarios.language.quantities import Quantity
from twinstorm.twin.cells import CELLS, OUTSIDE, PowerPlan

_MILLI, _MICRO = Fraction(1, 1_000), Fraction(1, 1_000_000)

Units = dict[str, tuple[Fraction, str]]
"""What each unit is worth in a base unit."""

_ENERGY: Final[Units] = {
    "J": (Fraction(1), "J"),
    "mJ": (_MILLI, "J"),
    "uJ": (_MICRO, "J"),
    "Wh": (Fraction(3_600), "J"),
    "mWh": (3_600 * _MILLI, "J"),
    "kWh": (Fraction(3_600_000), "J"),
}
_CHARGE: Final[Units] = {"Ah": (Fraction(3_600), "As"), "mAh": (3_600 * _MILLI, "As")}
_POWER: Final[Units] = {
    "W": (Fraction(1), "W"),
    "mW": (_MILLI, "W"),
    "uW": (_MICRO, "W"),
    "µW": (_MICRO, "W"),
    "kW": (Fraction(1_000), "W"),
}
_CURRENT: Final[Units] = {
    "A": (Fraction(1), "A"),
    "mA": (_MILLI, "A"),
    "uA": (_MICRO, "A"),
    "µA": (_MICRO, "A"),
    "nA": (_MICRO * _MILLI, "A"),
}
_VOLTAGE: Final[Units] = {"V": (Fraction(1), "V"), "mV": (_MILLI, "V")}
_RESISTANCE: Final[Units] = {"ohm": (Fraction(1), "ohm"), "mohm": (_MILLI, "ohm")}


def _amount(wanted: str, units: Units, example: str, least: float, most: float) -> Single:
    """A number in one of some units; read to a `Quantity` in their base unit, within bounds in that unit."""

    def parse(text: str) -> Quantity:
        written = values.quantity(text)
        if written.unit not in units:
            hint = f"write one of {', '.join(units)}: `{example}`"
            raise Refused("S208", f"{quoted(text)} is not {wanted}", hint, allowed=tuple(units))
        worth, base = units[written.unit]
        value = written.value * worth
        if not least <= value <= most:
            end = "less" if value < least else "more"
            bound = least if value < least else most
            allowed = f"allowed: {least:g} .. {most:g} {base}"
            raise Refused("S210", f"{quoted(text)} is {end} than {bound:g} {base}", f"write `{example}`; {allowed}")
        return Quantity(value, base)

    return Single(wanted, parse, example, values.QUANTITY)


def _ends(text: str, parse: Callable[[str], Fraction]) -> tuple[float, float]:
    low, dots, high = text.partition("..")
    first = parse(low.strip())
    last = parse(high.strip()) if dots else first
    if last < first:
        meant = f"{high.strip()} .. {low.strip()}"
        raise Refused("S209", f"the range {quoted(text)} ends before it begins", f"write `{meant}`")
    return float(first), float(last)


def _charge(text: str) -> tuple[float, float]:
    return _ends(text, values.share)


def _temperature(text: str) -> tuple[float, float]:
    def celsius(part: str) -> Fraction:
        written = values.quantity(part)
        if written.unit != "C":
            raise Refused("S208", f"{quoted(part)} is not in C", "write `20 C` or `-25 C .. -5 C`")
        if not -60 <= written.value <= 85:
            raise Refused("S210", f"{quoted(part)} is beyond -60 C .. 85 C", "write `20 C` or `-25 C .. -5 C`")
        return written.value

    if text == "outside":
        return OUTSIDE
    return _ends(text, celsius)


_DRAW: Final = _CURRENT | _POWER
_MESSAGE: Final = _amount("an energy", _ENERGY, "0.15 J", 0.0, 10_000.0)

POWER: Final = Table(
    "the power of a segment",
    (
        Key(
            "battery",
            _amount("an energy or a charge", _ENERGY | _CHARGE, "19 Wh", 1.0, 360e6),
            "what a full battery holds",
            required=True,
        ),
        Key("cell", words("cell", *CELLS), "what it is made of", default="lithium"),
        Key("voltage", _amount("a voltage", _VOLTAGE, "3.6 V", 0.5, 100.0), "nominal; by default the cell's"),
        Key(
            "charge",
            Single("a share or a range of shares", _charge, "30 % .. 100 %"),
            "what is in it at the start; of a range, one draw a device",
            default="100 %",
        ),
        Key("floor", _amount("a current or a power", _DRAW, "8 uA", 0.0, 10.0), "drawn all the time", default="8 uA"),
        Key("awake", _amount("a current or a power", _DRAW, "30 mA", 0.0, 10.0), "while it boots", default="30 mA"),
        Key(
            "burst",
            _amount("a current or a power", _DRAW, "140 mA", 0.0, 100.0),
            "while it transmits; by default the link's",
        ),
        Key("reading", _amount("an energy", _ENERGY, "5 mJ", 0.0, 10_000.0), "of a sampling", default="5 mJ"),
        Key("message", _MESSAGE, "of any message; by default the link's, by its bytes"),
        Key("connect", _MESSAGE, "of an attempt to connect, with its handshake; by default the link's"),
        Key(
            "resistance",
            _amount("a resistance", _RESISTANCE, "2 ohm", 0.0, 1_000.0),
            "of a charged battery at 20 C; by default the cell's",
        ),
        Key(
            "resets_below",
            _amount("a voltage", _VOLTAGE, "2.5 V", 0.0, 100.0),
            "supply at which the device resets; by default 70 % of the voltage",
        ),
        Key("self_discharge", share(example="1 %"), "of a full battery in a year; by default the cell's"),
        Key(
            "temperature",
            Single("`outside`, a temperature or a range", _temperature, "-25 C .. -5 C"),
            "of the battery: from 3:00 to 15:00, or the site's weather",
            default="20 C",
        ),
        Key("solar", _amount("a power", _POWER, "2 W", 0.0, 10_000.0), "of a panel in full sun"),
        Key("mains", _amount("a power", _POWER, "5 W", 0.0, 10_000.0), "of a charger"),
    ),
)


def power_plan(record: Record, problems: Problems) -> PowerPlan | None:
    """What a segment says of its power; None, and told, if that contradicts itself."""
    name: str = record.value("cell")
    cell = CELLS[name]
    charger = next((key for key in ("solar", "mains") if record.has(key)), None)
    if cell.charges_from_c is None and charger is not None:
        keys = [key for key in (charger, "cell") if record.has(key)]
        hint = "write `cell: lithium-ion`, or remove the charger"
        problems.add(of_keys("S212", f"a battery of {name} is not made to be charged", hint, record, keys))
        return None
    if record.own("battery") is None:
        return None
    plan = PowerPlan(full_j=1.0, cell=name, voltage_v=_float(record.own("voltage")))
    plan = _filled(record, plan.nominal_v)
    if plan.lowest_v >= plan.nominal_v:
        keys = [key for key in ("voltage", "resets_below") if record.has(key)]
        message = f"devices that reset below {plan.lowest_v:g} V do not run on {plan.nominal_v:g} V"
        problems.add(of_keys("S212", message, "make `resets_below` lower", record, keys))
        return None
    return plan


def _filled(record: Record, volts: float) -> PowerPlan:
    """Charges and currents become energies and powers at the nominal voltage."""

    def base(key: str) -> float | None:
        amount = record.value(key)
        if amount is None:
            return None
        return float(amount.value) * (volts if amount.unit in ("A", "As") else 1.0)

    written: dict[str, Any] = {
        "full_j": base("battery"),
        "cell": record.value("cell"),
        "charge": record.value("charge"),
        "voltage_v": base("voltage"),
        "floor_w": base("floor"),
        "awake_w": base("awake"),
        "burst_w": base("burst"),
        "reading_j": base("reading"),
        "message_j": base("message"),
        "connect_j": base("connect"),
        "resistance_ohm": base("resistance"),
        "resets_below_v": base("resets_below"),
        "self_discharge": None if record.own("self_discharge") is None else float(record.own("self_discharge")),
        "temperature_c": record.value("temperature"),
        "solar_w": base("solar") or 0.0,
        "mains_w": base("mains") or 0.0,
    }
    return PowerPlan(**written)


def _float(amount: Quantity | None) -> float | None:
    return None if amount is None else float(amount.value)
