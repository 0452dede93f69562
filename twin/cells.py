"""Cells: what voltage a battery has at a charge, what it loses on the shelf, and what the cold takes from it.

Shapes are tables, linear between their points, relative to the cell's nominal voltage, capacity and resistance. Nominal
figures and limits are those of the data sheets named below; the curves between them are assumed, drawn after charts of
such sheets, and right to about a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Points = tuple[tuple[float, float], ...]
"""(where, how much), ascending; beyond its ends a curve is level."""


@dataclass(frozen=True)
class Cell:
    """One type of cell, or of pack.

    Attributes:
        voltage_v: nominal.
        self_discharge: share of the full charge that is lost in a year on the shelf at 20 C.
        resistance_ohm: for a burst of transmission, charged and at 20 C.
        open_v: open-circuit voltage over the nominal one, by usable charge.
        usable: share of the full charge that can be drawn, by temperature in C. What the cold locks in comes back.
        colder: resistance over that at 20 C, by temperature in C.
        emptier: resistance over that of a charged cell, by usable charge.
        charges_from_c: coldest at which it may be charged; None: it is not made to be.
    """

    name: str
    voltage_v: float
    self_discharge: float
    resistance_ohm: float
    open_v: Points
    usable: Points
    colder: Points
    emptier: Points
    charges_from_c: float | None = None


CELLS: Final = {
    cell.name: cell
    for cell in (
        # Bobbin of lithium and thionyl chloride, after Saft LS 26500: 3.6 V flat, -60 to 85 C, under 1 % a year.
        Cell(
            "lithium",
            voltage_v=3.6,
            self_discharge=0.01,
            resistance_ohm=2.0,
            open_v=((0.0, 0.75), (0.05, 0.97), (0.1, 1.0), (1.0, 1.0)),
            usable=((-60.0, 0.3), (-40.0, 0.55), (-20.0, 0.8), (0.0, 0.93), (20.0, 1.0)),
            colder=((-40.0, 7.0), (-20.0, 3.0), (0.0, 1.6), (20.0, 1.0), (60.0, 0.6)),
            emptier=((0.0, 4.0), (0.05, 2.2), (0.1, 1.5), (0.2, 1.0)),
        ),
        # One 18650: 3.6 V nominal, full at 4.2 V, cut off at 2.75 V. Below freezing a charge plates lithium.
        Cell(
            "lithium-ion",
            voltage_v=3.6,
            self_discharge=0.2,
            resistance_ohm=0.15,
            open_v=((0.0, 0.764), (0.05, 0.91), (0.1, 0.944), (0.2, 0.967), (0.5, 1.014), (0.8, 1.097), (1.0, 1.167)),
            usable=((-40.0, 0.2), (-20.0, 0.6), (0.0, 0.88), (20.0, 1.0)),
            colder=((-40.0, 15.0), (-20.0, 6.0), (0.0, 2.2), (20.0, 1.0), (60.0, 0.7)),
            emptier=((0.0, 3.0), (0.1, 1.5), (0.2, 1.0)),
            charges_from_c=0.0,
        ),
        # Three alkaline cells in a row.
        Cell(
            "alkaline",
            voltage_v=4.5,
            self_discharge=0.03,
            resistance_ohm=0.6,
            open_v=((0.0, 0.6), (0.1, 0.7), (0.2, 0.76), (0.5, 0.84), (1.0, 1.05)),
            usable=((-30.0, 0.05), (-20.0, 0.2), (0.0, 0.65), (20.0, 1.0)),
            colder=((-20.0, 6.0), (0.0, 2.2), (20.0, 1.0), (55.0, 0.7)),
            emptier=((0.0, 4.0), (0.2, 2.0), (0.5, 1.2), (1.0, 1.0)),
        ),
    )
}

OUTSIDE: Final = (0.0, -1.0)
"""As a temperature: that of the outside air at the site."""


@dataclass(frozen=True)
class PowerPlan:
    """What supplies the devices of a segment, and what they draw. None: what the cell, or the link class, has.

    Attributes:
        full_j: energy of a full battery at 20 C, > 0.
        charge: lowest and highest share of it at the start; one draw a device.
        floor_w: drawn all the time while the device is on.
        awake_w: drawn on top while it boots.
        burst_w: drawn on top while it transmits; makes the voltage sag.
        reading_j, message_j, connect_j: for one sampling, one message and one attempt to connect with its handshake.
        resets_below_v: supply at which the device resets.
        temperature_c: coldest and warmest of a day, at 3:00 and 15:00; `OUTSIDE`: the site's weather.
        solar_w: of a panel in full sun (1 kW/m2). mains_w: of a charger; while there is mains, nothing sags.
    """

    full_j: float
    cell: str = "lithium"
    charge: tuple[float, float] = (1.0, 1.0)
    voltage_v: float | None = None
    floor_w: float = 28.8e-6
    awake_w: float = 0.108
    burst_w: float | None = None
    reading_j: float = 0.005
    message_j: float | None = None
    connect_j: float | None = None
    resistance_ohm: float | None = None
    resets_below_v: float | None = None
    self_discharge: float | None = None
    temperature_c: tuple[float, float] = (20.0, 20.0)
    solar_w: float = 0.0
    mains_w: float = 0.0

    @property
    def nominal_v(self) -> float:
        return CELLS[self.cell].voltage_v if self.voltage_v is None else self.voltage_v

    @property
    def lowest_v(self) -> float:
        """By default 70 % of the nominal voltage: 2.5 V of 3.6 V."""
        return 0.7 * self.nominal_v if self.resets_below_v is None else self.resets_below_v
