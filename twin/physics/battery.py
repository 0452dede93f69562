"""What a battery lasts: charge counting, self-discharge, and discharge at high currents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twinstorm.twin import exact

YEAR_S: Final = 8766.0 * 3600.0


@dataclass(frozen=True)
class EnergyBudget:
    """Where the energy of a cell goes, at a constant rhythm of messages.

    Attributes:
        cell_j: usable energy of a full cell, > 0.
        message_j: energy of one message, all of waking, measuring and sending.
        message_every_s: time between messages, > 0.
        sleep_w: what flows all the time.
        self_discharge_per_year: share of the full cell that is lost without use.
    """

    cell_j: float
    message_j: float
    message_every_s: float
    sleep_w: float
    self_discharge_per_year: float = 0.0

    def powers_w(self) -> dict[str, float]:
        """Mean power by cause: ``messages``, ``sleep``, ``self_discharge``."""
        return {
            "messages": self.message_j / self.message_every_s,
            "sleep": self.sleep_w,
            "self_discharge": self_discharge_w(self.cell_j, self.self_discharge_per_year),
        }

    def shares(self) -> dict[str, float]:
        """The same as shares of the whole."""
        powers = self.powers_w()
        whole = sum(powers.values())
        return {cause: power / whole for cause, power in powers.items()}

    def life_s(self) -> float:
        """How long a full cell lasts."""
        return self.cell_j / sum(self.powers_w().values())


def self_discharge_w(cell_j: float, per_year: float) -> float:
    """Self-discharge as a constant power, counted from the full cell."""
    return cell_j * per_year / YEAR_S


def cell_j(charge_ah: float, voltage_v: float) -> float:
    """Energy of a cell of flat voltage."""
    return charge_ah * voltage_v * 3600.0


def peukert_hours(capacity_ah: float, current_a: float, exponent: float) -> float:
    """Hours until empty by Peukert's basic form C / I**k, with C the capacity at 1 A."""
    return capacity_ah / exact.exp(exponent * exact.log(current_a))


def peukert_rated_hours(capacity_ah: float, rated_h: float, current_a: float, exponent: float) -> float:
    """Hours until empty by Peukert's rated form H (C / (I H))**k, with C stated at the H-hour rate."""
    return rated_h * exact.exp(exponent * exact.log(capacity_ah / (current_a * rated_h)))


def loaded_v(open_v: float, current_a: float, resistance_ohm: float) -> float:
    """Voltage that a device sees while it draws a current; below its threshold it reboots."""
    return open_v - current_a * resistance_ohm
