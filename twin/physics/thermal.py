"""Bodies that store and pass on heat, integrated exactly.

A body with heat capacity C, heated by P and joined to surroundings at Ta by a resistance R follows
C dT/dt = P - (T - Ta) / R. For constant P and Ta the solution is an exponential, so a step of any length is exact and
the sampling period cannot bend the trajectory. Two joined bodies follow a sum of two exponentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact

Floats = NDArray[np.float64]
Decay = TypeVar("Decay", float, Floats)
Matrix = tuple[float, float, float, float]
"""(winding from winding, winding from case, case from winding, case from case)."""


def relaxed_c(temperature_c: float, final_c: float, tau_s: float, dt_s: float) -> float:
    """Temperature after `dt_s` of a body on its way to `final_c` with time constant `tau_s` > 0."""
    return final_c + (temperature_c - final_c) * exact.exp(-dt_s / tau_s)


def sphere_tau_s(
    diameter_m: float, density_kg_m3: float, heat_j_kg_k: float, film_w_m2_k: float, conductivity_w_m_k: float
) -> float:
    """Time constant of a small solid sphere in a moving fluid, its inside taken as equally warm.

    Raises:
        ValueError: if the Biot number reaches 0.1, above which the inside is not equally warm.

    Example:
        >>> round(sphere_tau_s(1e-3, 8500.0, 320.0, 210.0, 35.0), 3)
        2.159

    Source: lumped capacitance, e.g. Cengel, Heat and Mass Transfer, chapter 4.
    """
    length_m = diameter_m / 6.0  # volume over surface
    biot = film_w_m2_k * length_m / conductivity_w_m_k
    if biot >= 0.1:
        raise ValueError(f"the Biot number is {biot:.3g}; a lumped body needs less than 0.1")
    return density_kg_m3 * heat_j_kg_k * length_m / film_w_m2_k


@dataclass(frozen=True)
class TwoNode:
    """A heated winding in a case that gives its heat to the surroundings.

    Attributes:
        winding_j_k, case_j_k: heat capacities, > 0.
        winding_case_k_w, case_air_k_w: thermal resistances, > 0.
        longest_s: longest time that `transitions` is asked for.
    """

    winding_j_k: float
    case_j_k: float
    winding_case_k_w: float
    case_air_k_w: float
    longest_s: float = 256.0

    def final_rises_k(self, winding_w: float, case_w: float) -> tuple[float, float]:
        """Where winding and case end above the surroundings with constant heat into each, watts."""
        case_k = (winding_w + case_w) * self.case_air_k_w
        return case_k + winding_w * self.winding_case_k_w, case_k

    @cached_property
    def rates_per_s(self) -> tuple[float, float]:
        """Both decay rates, the slow one first, 1/s."""
        winding, exchange, loss = self._couplings
        half_sum = (winding + exchange + loss) / 2.0
        # (a + b + c)**2 / 4 - a c, as a sum of squares that cannot cancel.
        root = float(np.sqrt(((winding - loss) / 2.0 + exchange / 2.0) ** 2 + exchange * loss))
        fast = half_sum + root
        return winding * loss / fast, fast

    @property
    def _couplings(self) -> tuple[float, float, float]:
        """Winding to case, case to winding, case to air, each over the capacity that feels it, 1/s."""
        return (
            1.0 / (self.winding_case_k_w * self.winding_j_k),
            1.0 / (self.winding_case_k_w * self.case_j_k),
            1.0 / (self.case_air_k_w * self.case_j_k),
        )

    @lru_cache(maxsize=64)  # noqa: B019 - keyed by value: few instances, all constants of a module
    def transition(self, dt_s: float) -> Matrix:
        """What is left after `dt_s` of the distances of winding and case from where they end."""
        slow, fast = self.rates_per_s
        return self._mixed(exact.exp(-slow * dt_s), exact.exp(-fast * dt_s))

    def transitions(self, dt_s: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """`transition` for many times at once, 0 <= dt_s <= longest_s, to 1e-6 by a table."""
        slow, fast = self._decays
        place = dt_s * ((len(slow) - 1) / self.longest_s)
        left = np.minimum(place.astype(np.intp), len(slow) - 2)
        part = place - left
        return self._mixed(
            slow[left] + (slow[left + 1] - slow[left]) * part, fast[left] + (fast[left + 1] - fast[left]) * part
        )

    @cached_property
    def _decays(self) -> tuple[Floats, Floats]:
        slow, fast = self.rates_per_s
        entries = 1 + max(1, int(self.longest_s * fast * 400.0))  # an entry each 1/400 of the faster decay: error 8e-7
        times: Floats = np.arange(entries, dtype=np.float64) * (self.longest_s / (entries - 1))
        return exact.exp(-slow * times), exact.exp(-fast * times)

    def _mixed(self, slow_left: Decay, fast_left: Decay) -> tuple[Decay, Decay, Decay, Decay]:
        """Matrix exponential of the pair from what both decays leave."""
        winding, exchange, loss = self._couplings
        slow, fast = self.rates_per_s
        span = fast - slow
        gone = (slow_left - fast_left) / span
        return (
            (slow_left * (fast - winding) - fast_left * (slow - winding)) / span,
            winding * gone,
            exchange * gone,
            (slow_left * (fast - exchange - loss) - fast_left * (slow - exchange - loss)) / span,
        )
