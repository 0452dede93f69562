"""Which part of a rolling bearing is broken, from a record of its vibration: the spectrum of the envelope.

Each stroke of a defect rings the housing at some kilohertz, too short and too high to show as a line at the rate of the
strokes. So the record is filtered to that band, its envelope taken, and the spectrum of the envelope searched at the
rates that the bearing's geometry gives each of its parts.

Source: Randall and Antoni, Rolling element bearing diagnostics, Mech. Syst. Signal Process. 25 (2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.detectors.values.contract import Reals

BAND_HZ: Final = (2_000.0, 6_000.0)
"""In which housings ring, commonly."""
HARMONICS: Final = 3
AROUND: Final = 0.02
"""Of a rate: rollers slip, and real bearings turn a percent or two beside their geometry."""
FLOOR: Final = 0.25
"""Of a rate, on both sides of a line: what is the noise there."""
LIMIT: Final = 5.0
"""A line so many times as high as the noise around it is one; 1.0 in scores."""
LEAST_TURNS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Orders:
    """Rates at which the defects of a bearing are struck, in turns of the shaft: BPFO, BPFI, twice BSF, and FTF."""

    outer: float
    inner: float
    ball: float
    cage: float

    @classmethod
    def of(cls, rollers: int, roller_mm: float, pitch_mm: float, contact_cos: float = 1.0) -> Orders:
        """By geometry: number and diameter of rollers, diameter of their circle, cosine of the contact angle.

        Raises:
            ValueError: no bearing has that geometry.

        Example:
            >>> cwru = Orders.of(9, 7.94004, 39.0398)  # 6205, drive end
            >>> round(cwru.outer, 3), round(cwru.inner, 3), round(cwru.ball, 3), round(cwru.cage, 3)
            (3.585, 5.415, 4.714, 0.398)
        """
        if rollers < 3 or not 0.0 < roller_mm < pitch_mm or not 0.0 < contact_cos <= 1.0:
            raise ValueError(
                f"a bearing has 3 rollers or more, smaller than their circle, and a cosine in (0, 1]; not {rollers} of"
                f" {roller_mm:g} mm on {pitch_mm:g} mm, cosine {contact_cos:g}"
            )
        ratio = roller_mm / pitch_mm * contact_cos
        return cls(
            rollers / 2.0 * (1.0 - ratio),
            rollers / 2.0 * (1.0 + ratio),
            pitch_mm / roller_mm * (1.0 - ratio * ratio),
            (1.0 - ratio) / 2.0,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """What was found at the rate of one part.

    Attributes:
        part: outer, inner, ball or cage. expected_hz, found_hz: its rate by geometry, and the highest line beside it.
        score: of its harmonics, 1.0 at the limit.
    """

    part: str
    expected_hz: float
    found_hz: float
    score: float


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a record says.

    Attributes:
        part: that is broken; "" if none shows.
        lines: one a part, highest score first.
    """

    part: str
    lines: tuple[Line, ...]


def envelope_spectrum(samples: Reals, rate_hz: float, band_hz: tuple[float, float] = BAND_HZ) -> tuple[Reals, Reals]:
    """Frequencies, Hz, and amplitudes of the envelope of a band, in the unit of the samples.

    Args:
        samples: acceleration, (n,), n >= 64. rate_hz: of them.
        band_hz: its upper end is lowered to what the rate can hold.

    Raises:
        ValueError: too few samples, one that is no number, or a rate too low for the band.
    """
    from scipy.signal import butter, hilbert, sosfiltfilt

    values = np.asarray(samples, np.float64)
    if len(values) < 64:
        raise ValueError(f"{len(values)} samples are too few for a spectrum; 64 at least")
    if not np.isfinite(values).all():
        raise ValueError("a sample is missing or infinite: a record has no gaps")
    low, high = band_hz[0], min(band_hz[1], 0.45 * rate_hz)
    if not 0.0 < low < high:
        raise ValueError(f"{rate_hz:g} samples a second hold no band from {low:g} Hz; {low / 0.4:g} at least")
    band = sosfiltfilt(butter(4, (low, high), "bandpass", fs=rate_hz, output="sos"), values)
    envelope = np.abs(hilbert(band))
    window = np.hanning(len(envelope))
    spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * window)).astype(np.float64) * (2.0 / window.sum())
    at_hz: Reals = np.arange(len(spectrum), dtype=np.float64) * (rate_hz / len(envelope))
    return at_hz, spectrum


def diagnose(
    samples: Reals, rate_hz: float, turns_per_s: float, orders: Orders, band_hz: tuple[float, float] = BAND_HZ
) -> Diagnosis:
    """Which part of a bearing is broken.

    The score of a part is the geometric mean of how high its first three harmonics stand above the noise around them,
    over `LIMIT`; of those at the limit the highest is named. A rate that is a multiple of another one's (a cage's times
    the rollers is that of the outer ring) has no line at the lower one, hence the mean.

    Args:
        samples, rate_hz, band_hz: see `envelope_spectrum`. turns_per_s: of the shaft, > 0.

    Raises:
        ValueError: as there, or a record that is shorter than `LEAST_TURNS` of the shaft.
    """
    if not turns_per_s > 0.0:
        raise ValueError(f"the shaft must turn, not at {turns_per_s:g} turns a second")
    if len(samples) / rate_hz * turns_per_s < LEAST_TURNS:
        raise ValueError(
            f"{len(samples) / rate_hz:.3g} s hold {len(samples) / rate_hz * turns_per_s:.3g} turns of the shaft;"
            f" {LEAST_TURNS:g} at least"
        )
    at_hz, heights = envelope_spectrum(samples, rate_hz, band_hz)
    lines = []
    for part in ("outer", "inner", "ball", "cage"):
        expected_hz = getattr(orders, part) * turns_per_s
        found = [_height(at_hz, heights, (number + 1) * expected_hz) for number in range(HARMONICS)]
        ratios = np.array([ratio for ratio, _ in found])
        lines.append(Line(part, expected_hz, found[0][1], float(np.exp(np.log(ratios).mean())) / LIMIT))
    ordered = tuple(sorted(lines, key=lambda line: -line.score))
    return Diagnosis(ordered[0].part if ordered[0].score >= 1.0 else "", ordered)


def _height(at_hz: Reals, heights: Reals, expected_hz: float) -> tuple[float, float]:
    """How high the highest line near a rate stands above the noise around it, and where."""
    step_hz = float(at_hz[1])
    near = np.abs(at_hz - expected_hz) <= max(AROUND * expected_hz, 1.5 * step_hz)
    around = np.abs(at_hz - expected_hz) <= max(FLOOR * expected_hz, 10.0 * step_hz)
    around &= at_hz > 0.0
    noise = float(np.median(heights[around & ~near]))
    best = int(np.argmax(np.where(near, heights, -1.0)))
    return float(heights[best]) / max(noise, 1e-12), float(at_hz[best])
