"""What an accelerometer on a bearing housing would record: defects that knock, a rotor that shakes, a floor of noise.

A defect is struck at the rate that the bearing's geometry gives it, a percent or two early or late as rollers slip.
Each stroke rings a resonance of the housing that dies away within milliseconds. How hard it is depends on how much load
the spot carries: a spot of the outer ring always the same, one of the inner ring turns through the load with the shaft,
one of a roller with the cage. In the spectrum that energy lies around the resonance; the rate of the knocks stands in
the spectrum of the envelope. What else shakes a machine, its flow, its belt, its worn races, has no lines: a rumble of
tens of hertz, which is most of its velocity and little of its acceleration.

Sources: McFadden and Smith, Model for the vibration produced by a single point defect, J. Sound Vib. 96 (1984); Randall
and Antoni, Rolling element bearing diagnostics, Mech. Syst. Signal Process. 25 (2011).

A record is a function of its arguments alone, the same bits on every CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin import exact
from twinstorm.twin.chance import Words, stream, words
from twinstorm.twin.flow import Values
from twinstorm.twin.normal import LANES, normals
from twinstorm.twin.physics.bearing import Geometry
from twinstorm.twin.physics.spread import unit

Floats = NDArray[np.float64]

TURN: Final = 6.283185307179586
ROOT_2: Final = 1.4142135623730951
HIGHEST_SAMPLES: Final = 1 << 24
"""Of one record: more than ten minutes at 25.6 kHz."""
OVERSAMPLING: Final = 2.56
"""Lowest sampling rate over the resonance: what an analyser's anti-alias filter leaves of it."""
_RINGS: Final = 12.0
"""Time constants after which a stroke is over: 6e-6 of it is left."""

STROKE_M_S2: Final = 40.0
"""First amplitude of a stroke on the outer ring at severity 1 and full load (assumed: magnitude of published
records of seeded faults of 0.5 mm)."""
BALL_SHARE: Final = 0.7
CAGE_SHARE: Final = 0.25
"""Strokes of a ball and of a cage over those of a ring: a ball is not always struck on its spot, a cage is light."""
INNER_STRIKES: Final = 0.85
"""A ball's spot on the inner race over the same on the outer one: a longer way to the housing."""
CAGE_KNOCKS: Final = 16
CAGE_ARC: Final = 0.35
"""A broken cage rattles: so many knocks, spread over this part of its turn."""
BAND_HZ: Final = (10.0, 1_000.0)
"""In which vibration velocity is measured (ISO 10816-1)."""
KNOTS_HZ: Final = 300.0
"""Of the random curve that is the rumble: its velocity lies within 10 to 200 Hz, most at 65 Hz, far below what strokes
ring (assumed)."""
_RUMBLE_SQUARE: Final = 67_956.0 / 181_440.0
"""Mean square of the slope of a curve of quintic B-splines with standard normal weights, over one knot: twice the
value of the spline of degree 9 at its middle less that one knot away."""


@dataclass(frozen=True, slots=True)
class Defects:
    """What is wrong with a bearing and its rotor.

    Attributes:
        outer, inner, ball, cage: severity of a defect on each part, 0 none to 1 grave; strokes grow in proportion.
        imbalance_mm_s: vibration velocity at the rate of the shaft, rms, >= 0.
        broadband_mm_s: that without a rate, in `BAND_HZ`, rms, >= 0; the floor of noise counts towards it.

    Raises:
        ValueError: if an attribute lies outside of its range; the text names it.
    """

    outer: float = 0.0
    inner: float = 0.0
    ball: float = 0.0
    cage: float = 0.0
    imbalance_mm_s: float = 0.0
    broadband_mm_s: float = 0.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value, highest = getattr(self, one.name), 1e3 if one.name.endswith("_mm_s") else 1.0
            if not 0.0 <= value <= highest:
                raise ValueError(f"{one.name} must lie in 0 to {highest:g}, not {value:g}")


@dataclass(frozen=True, slots=True)
class Housing:
    """How a stroke becomes what is recorded.

    Attributes:
        resonance_hz: that the strokes ring, commonly 2 to 6 kHz. damping: ratio, 0 < damping < 1.
        slip: standard deviation of the time between two strokes, over that time; 0.01 to 0.02 in real bearings.
        load_zone: Stribeck's epsilon, > 0.5: how far the load reaches around the bearing. 0.5 to 1 part of it; more, as
            with the springs that preload bearings of motors, all of it, at the far side more weakly.
        noise_m_s2: floor of the sensor and of everything else that turns, rms.

    Raises:
        ValueError: if an attribute lies outside of its range; the text names it.
    """

    resonance_hz: float = 3_500.0
    damping: float = 0.05
    slip: float = 0.015
    load_zone: float = 2.0
    noise_m_s2: float = 0.4

    def __post_init__(self) -> None:
        limits = {
            "resonance_hz": (100.0, 20_000.0),
            "damping": (0.005, 0.5),
            "slip": (0.0, 0.05),
            "load_zone": (0.5, 100.0),
            "noise_m_s2": (0.0, 1e3),
        }
        for name, (lowest, highest) in limits.items():
            if not lowest <= getattr(self, name) <= highest:
                raise ValueError(f"{name} must lie in {lowest:g} to {highest:g}, not {getattr(self, name):g}")


def acceleration(
    geometry: Geometry,
    turns_per_s: float,
    defects: Defects,
    key: int,
    number: int = 0,
    samples: int = 25_600,
    rate_hz: float = 25_600.0,
    housing: Housing | None = None,
) -> Values:
    """A record of the radial acceleration of a bearing housing.

    Args:
        turns_per_s: of the shaft, constant, >= 0; 0 leaves the noise.
        key: of the machine (`chance.device_key`) or any 64 bits. number: of the record; each is another cut.
        samples: 1 to `HIGHEST_SAMPLES`. rate_hz: at least `OVERSAMPLING` times the resonance.
        housing: None: the usual one.

    Returns:
        float32 (samples,), m/s2.

    Raises:
        ValueError: if an argument lies outside of its range; the text names it.
    """
    made = housing or Housing()
    if not turns_per_s >= 0.0 or turns_per_s * max(geometry.inner, 2.0 * geometry.spin) > rate_hz / 4.0:
        raise ValueError(f"turns_per_s must be 0 or more, and sampled finely, not {turns_per_s:g} at {rate_hz:g} Hz")
    if not 1 <= samples <= HIGHEST_SAMPLES:
        raise ValueError(f"samples must lie in 1 to {HIGHEST_SAMPLES}, not {samples}")
    if not rate_hz >= OVERSAMPLING * made.resonance_hz:
        raise ValueError(
            f"rate_hz must be {OVERSAMPLING * made.resonance_hz:g} or more to hold a resonance of"
            f" {made.resonance_hz:g} Hz, not {rate_hz:g}"
        )
    record = _Record(geometry, turns_per_s, made, key, number, samples, rate_hz)
    total = made.noise_m_s2 * record.noise()
    if turns_per_s > 0.0:
        total += record.shaking(defects.imbalance_mm_s)
        missing = defects.broadband_mm_s * defects.broadband_mm_s - record.floor_mm_s * record.floor_mm_s
        if missing > 0.0:
            total += record.rumble(float(np.sqrt(missing)))
        for part, severity in enumerate((defects.outer, defects.inner, defects.ball, defects.cage)):
            if severity > 0.0:
                at_s, strength = record.strokes(part)
                total += record.ringing(at_s, severity * STROKE_M_S2 * strength)
    return total.astype(np.float32)


_OUTER, _INNER, _BALL, _CAGE, _PHASES, _NOISE, _RATTLE, _RUMBLE = range(8)
"""Streams of chance."""


@dataclass(frozen=True)
class _Record:
    geometry: Geometry
    turns_per_s: float
    housing: Housing
    key: int
    number: int
    samples: int
    rate_hz: float

    def _words(self, what: int, count: int) -> Words:
        return words(stream(self.key, what), np.arange(count, dtype=np.uint64), self.number)

    @property
    def _decay_per_s(self) -> float:
        return self.housing.damping * TURN * self.housing.resonance_hz

    def noise(self) -> Floats:
        """White, standard normal."""
        drawn = normals(self._words(_NOISE, -(-self.samples // LANES)))
        return drawn.reshape(-1)[: self.samples].astype(np.float64)

    @property
    def floor_mm_s(self) -> float:
        """Vibration velocity of the noise in `BAND_HZ`, rms: white, integrated."""
        low_hz, high_hz = BAND_HZ
        density = 2.0 * self.housing.noise_m_s2 * self.housing.noise_m_s2 / self.rate_hz
        return 1e3 * float(np.sqrt(density * (1.0 / low_hz - 1.0 / high_hz))) / TURN

    def rumble(self, velocity_mm_s: float) -> Floats:
        """Acceleration of a random velocity: the second derivative of a quintic spline, which is a cubic one."""
        knots = np.arange(self.samples, dtype=np.float64) * (KNOTS_HZ / self.rate_hz)
        before = np.floor(knots)
        late, first = knots - before, before.astype(np.intp)
        count = int(first[-1]) + 6
        drawn = normals(self._words(_RUMBLE, -(-count // LANES))).reshape(-1)[:count].astype(np.float64)
        bent = drawn[2:] - 2.0 * drawn[1:-1] + drawn[:-2]
        early, square = 1.0 - late, late * late
        cube = square * late
        total = bent[first] * (early * early * early)
        total += bent[first + 1] * (3.0 * cube - 6.0 * square + 4.0)
        total += bent[first + 2] * (3.0 * (late + square - cube) + 1.0)
        total += bent[first + 3] * cube
        return total * (velocity_mm_s * 1e-3 * KNOTS_HZ / (6.0 * float(np.sqrt(_RUMBLE_SQUARE))))

    def shaking(self, velocity_mm_s: float) -> Floats:
        """Acceleration of a sinusoidal velocity at the rate of the shaft."""
        at_s = np.arange(self.samples, dtype=np.float64) / self.rate_hz
        peak_m_s2 = ROOT_2 * velocity_mm_s * 1e-3 * TURN * self.turns_per_s
        return peak_m_s2 * self._wave(self.turns_per_s * at_s, 0)

    def strokes(self, part: int) -> tuple[Floats, Floats]:
        """When a defect of this part is struck, s since the start of the record, and how hard, 1 at full load."""
        order = (self.geometry.outer, self.geometry.inner, 2.0 * self.geometry.spin, self.geometry.cage)[part]
        period_s = 1.0 / (order * self.turns_per_s)
        lead_s = _RINGS / self._decay_per_s + (period_s if part == _CAGE else 0.0)
        slip = np.clip(self.housing.slip, 0.0, 0.05)
        count = int((lead_s + self.samples / self.rate_hz) / (period_s * (1.0 - 4.0 * slip))) + 2
        early_or_late = normals(self._words(part, -(-count // LANES))).reshape(-1)[:count].astype(np.float64)
        waits_s = period_s * (1.0 + slip * np.clip(early_or_late, -4.0, 4.0))
        # The first stroke is as far into its wait as the cut falls; a cut falls anywhere.
        waits_s[0] *= unit(self._words(_PHASES, 8))[4 + part]
        at_s = np.cumsum(waits_s) - lead_s
        if part == _OUTER:
            return at_s, np.ones(count)
        if part == _INNER:
            return at_s, self._load(self.turns_per_s * at_s, 1)
        if part == _BALL:
            by_race = np.where(np.arange(count) % 2 == 0, 1.0, INNER_STRIKES)
            return at_s, BALL_SHARE * by_race * self._load(self.geometry.cage * self.turns_per_s * at_s, 2)
        spread = unit(self._words(_RATTLE, count * CAGE_KNOCKS)).reshape(count, CAGE_KNOCKS)
        knocks_s = at_s[:, None] + CAGE_ARC * period_s * spread
        return knocks_s.reshape(-1), CAGE_SHARE * (1.0 - spread).reshape(-1)

    def _load(self, turns: Floats, phase: int) -> Floats:
        """Load at a spot over the highest one, by Stribeck: (1 - (1 - cos) / (2 epsilon)) to the power 1.5."""
        left = 1.0 - (1.0 - self._wave(turns, phase)) / (2.0 * self.housing.load_zone)
        left = np.maximum(left, 0.0)
        return left * np.sqrt(left)

    def _wave(self, turns: Floats, phase: int) -> Floats:
        """Cosine of so many turns, from a phase of its own."""
        from_phase = turns + unit(self._words(_PHASES, 8))[phase]
        return exact.cos((from_phase - np.floor(from_phase)) * TURN)

    def ringing(self, at_s: Floats, strength: Floats) -> Floats:
        """The resonance, struck at these instants."""
        decay = self._decay_per_s / self.rate_hz
        damping = self.housing.damping
        turn = TURN * self.housing.resonance_hz * float(np.sqrt(1.0 - damping * damping)) / self.rate_hz
        steps = np.arange(int(_RINGS / decay) + 1, dtype=np.float64)
        fading = exact.exp(-decay * steps)
        sine, cosine = fading * exact.sin(turn * steps), fading * exact.cos(turn * steps)
        first = np.ceil(at_s * self.rate_hz)
        # Strokes fall between samples: exp(-a (k + r)) sin(w (k + r)) taken apart into functions of k and of r.
        late = first - at_s * self.rate_hz
        begun = strength * exact.exp(-decay * late)
        total = np.zeros(self.samples + len(steps))
        for from_row in range(0, len(at_s), 1024):
            rows = slice(from_row, from_row + 1024)
            turned = turn * late[rows, None]
            wave = begun[rows, None] * (sine * exact.cos(turned) + cosine * exact.sin(turned))
            place = first[rows, None].astype(np.int64) + np.arange(len(steps))
            inside = (place >= 0) & (place < self.samples)
            total += np.bincount(place[inside], wave[inside], minlength=len(total))
        return total[: self.samples]
