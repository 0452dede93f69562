"""Bearing defects: their rates, and what they leave in a record of vibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.machines.kind import Inputs
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.machines.pump import Pump
from twinstorm.twin.physics import bearing, motor_waveform, shaken, waveform
from twinstorm.twin.physics.bearing import CWRU_6205, Geometry
from twinstorm.twin.physics.waveform import Defects, Housing, acceleration

RATE_HZ = 25_600.0
SECONDS = 8
TURNS_PER_S = 1_797.0 / 60.0
"""The test rig of Case Western Reserve University without load."""
PARTS = ("outer", "inner", "ball", "cage")


def orders(geometry: Geometry) -> dict[str, float]:
    return dict(zip(PARTS, (geometry.outer, geometry.inner, 2 * geometry.spin, geometry.cage), strict=True))


def record(
    defects: Defects, turns_per_s: float = TURNS_PER_S, key: int = 1, housing: Housing | None = None
) -> NDArray[np.float64]:
    samples = int(SECONDS * RATE_HZ)
    made = acceleration(CWRU_6205, turns_per_s, defects, key, samples=samples, rate_hz=RATE_HZ, housing=housing)
    assert made.dtype == np.float32
    return made.astype(np.float64)


def spectrum(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates in Hz, and amplitudes through a Hann window, without the mean."""
    window = np.hanning(len(values))
    amplitudes = np.abs(np.fft.rfft((values - values.mean()) * window)) / float(window.sum()) * 2
    return np.arange(len(amplitudes), dtype=np.float64) * (RATE_HZ / len(values)), amplitudes.astype(np.float64)


def envelope(values: NDArray[np.float64], low_hz: float = 2_000.0, high_hz: float = 5_000.0) -> NDArray[np.float64]:
    """Magnitude of the analytic signal in a band around the resonance."""
    lines = np.fft.fft(values)
    rates = np.fft.fftfreq(len(values), 1 / RATE_HZ)
    lines[(rates < low_hz) | (rates > high_hz)] = 0
    return np.abs(2 * np.fft.ifft(lines))


def largest_hz(values: NDArray[np.float64], from_hz: float = 3.0, to_hz: float = 12_000.0) -> float:
    rates, amplitudes = spectrum(values)
    seen = (rates >= from_hz) & (rates <= to_hz)
    return float(rates[seen][amplitudes[seen].argmax()])


def line(values: NDArray[np.float64], hz: float, width_hz: float = 0.4) -> float:
    rates, amplitudes = spectrum(values)
    return float(amplitudes[np.abs(rates - hz) <= width_hz].max())


# --- rates ------------------------------------------------------------------------------------------------------------


def test_orders_of_the_6205_of_case_western_reserve() -> None:
    """Bearing Data Center, Case Western Reserve University, drive end 6205-2RS JEM: n 9, d 0.3126 in, D 1.537 in.

    Its table gives the rolling element at twice the spin: a spot strikes both races in each turn.
    """
    assert CWRU_6205.outer == pytest.approx(3.5848, abs=5e-5)
    assert CWRU_6205.inner == pytest.approx(5.4152, abs=5e-5)
    assert CWRU_6205.cage == pytest.approx(0.39828, abs=5e-5)
    assert 2 * CWRU_6205.spin == pytest.approx(4.7135, abs=5e-4)


@given(st.integers(3, 40), st.floats(0.01, 0.9), st.floats(0.3, 1.0))
def test_every_roller_passes_both_rings(rollers: int, ratio: float, contact_cos: float) -> None:
    geometry = Geometry(rollers, 50 * ratio, 50.0, contact_cos)
    assert geometry.outer + geometry.inner == pytest.approx(rollers)
    assert geometry.outer == pytest.approx(rollers * geometry.cage)
    assert 0 < geometry.cage < 0.5
    assert geometry.spin > 0


@pytest.mark.parametrize(
    ("wrong", "name"),
    [((2, 5.0, 50.0, 1.0), "rollers"), ((8, 60.0, 50.0, 1.0), "roller_mm"), ((8, 5.0, 50.0, 0.0), "contact_cos")],
)
def test_impossible_bearings_are_named(wrong: tuple[int, float, float, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Geometry(*wrong)


def test_zones_by_limits_of_a_group_and_of_ones_own() -> None:
    group = bearing.ISO_10816_3_MM_S
    assert [bearing.zone_within(v, group[1, "rigid"]) for v in (2.3, 2.31, 4.6, 7.2)] == ["A", "B", "C", "D"]
    assert bearing.zone_within(4.6, group[1, "soft"]) == "B"
    assert bearing.zone_within(4.6, (1.0, 2.0, 3.0)) == "D"
    for limits in group.values():
        assert 0 < limits[0] < limits[1] < limits[2]
    for stiff, soft in ((group[n, "rigid"], group[n, "soft"]) for n in (1, 2)):
        assert all(a < b for a, b in zip(stiff, soft, strict=True))
    with pytest.raises(ValueError, match="ascend"):
        bearing.zone_within(1.0, (3.0, 2.0, 4.0))
    with pytest.raises(ValueError, match="velocity"):
        bearing.zone_within(float("nan"), group[1, "soft"])


# --- what a record shows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns_per_s", [TURNS_PER_S, 12.0])
@pytest.mark.parametrize("part", PARTS)
def test_the_envelope_names_the_defect_and_the_raw_spectrum_does_not(part: str, turns_per_s: float) -> None:
    rate_hz = orders(CWRU_6205)[part] * turns_per_s
    for key in (1, 2):
        values = record(Defects(**{part: 0.6}, imbalance_mm_s=1.0), turns_per_s, key)
        assert largest_hz(envelope(values), to_hz=1_000.0) == pytest.approx(rate_hz, rel=0.02)
        assert abs(largest_hz(values) - rate_hz) > 0.02 * rate_hz


@pytest.mark.parametrize(
    ("part", "by"), [("inner", 1.0), ("ball", CWRU_6205.cage)], ids=["inner by shaft", "ball by cage"]
)
def test_what_turns_through_the_load_has_sidebands(part: str, by: float) -> None:
    housing = Housing(slip=0.0)
    rate_hz, side_hz = orders(CWRU_6205)[part] * TURNS_PER_S, by * TURNS_PER_S
    turning = envelope(record(Defects(**{part: 1.0}), housing=housing))
    still = envelope(record(Defects(outer=1.0), housing=housing))
    main, outer_hz = line(turning, rate_hz), CWRU_6205.outer * TURNS_PER_S
    for side in (-1, 1):
        assert line(turning, rate_hz + side * side_hz) > 0.1 * main
        assert line(still, outer_hz + side * side_hz) < 0.02 * line(still, outer_hz)
    assert line(turning, side_hz) > 0.1 * main


def test_the_energy_of_the_strokes_lies_around_the_resonance() -> None:
    for resonance_hz in (2_000.0, 3_500.0, 6_000.0):
        values = record(Defects(outer=1.0), housing=Housing(resonance_hz))
        assert largest_hz(values) == pytest.approx(resonance_hz, rel=0.06)


def test_slip_blurs_high_harmonics_and_keeps_the_rate() -> None:
    rate_hz = CWRU_6205.outer * TURNS_PER_S
    exact, real = (envelope(record(Defects(outer=1.0), housing=Housing(slip=s))) for s in (0.0, 0.02))
    assert line(real, rate_hz) > 0.5 * line(exact, rate_hz)
    assert line(real, 8 * rate_hz) < 0.5 * line(exact, 8 * rate_hz)


def test_imbalance_is_one_line_at_the_rate_of_the_shaft() -> None:
    values = record(Defects(imbalance_mm_s=7.1))
    assert largest_hz(values) == pytest.approx(TURNS_PER_S, abs=0.15)
    alone = record(Defects(imbalance_mm_s=7.1), housing=Housing(noise_m_s2=0.0))
    velocity_mm_s = np.sqrt((alone**2).mean()) / (2 * np.pi * TURNS_PER_S) * 1e3
    assert velocity_mm_s == pytest.approx(7.1, rel=0.01)


@pytest.mark.parametrize("part", PARTS)
def test_severity_scales_the_strokes(part: str) -> None:
    quiet = Housing(noise_m_s2=0.0)
    sizes = [float(np.sqrt((record(Defects(**{part: s}), housing=quiet) ** 2).mean())) for s in (0.1, 0.5, 1.0)]
    assert sizes[0] > 0
    assert sizes[1] / sizes[0] == pytest.approx(5.0, rel=1e-4)
    assert sizes[2] / sizes[0] == pytest.approx(10.0, rel=1e-4)


def test_a_good_bearing_is_noise_of_the_stated_size_and_a_bad_one_is_spiky() -> None:
    def kurtosis(values: NDArray[np.float64]) -> float:
        return float((values**4).mean() / (values**2).mean() ** 2)

    good = record(Defects())
    assert good.std() == pytest.approx(Housing().noise_m_s2, rel=0.02)
    assert kurtosis(good) == pytest.approx(3.0, abs=0.1)
    assert kurtosis(record(Defects(outer=0.8))) > 4.0
    assert record(Defects(outer=1.0), turns_per_s=0.0) == pytest.approx(good)


# --- a function of its arguments --------------------------------------------------------------------------------------


def test_a_record_is_a_function_of_its_arguments() -> None:
    first = acceleration(CWRU_6205, 29.0, Defects(inner=0.5), key=5, number=3, samples=4_000)
    again = acceleration(CWRU_6205, 29.0, Defects(inner=0.5), key=5, number=3, samples=4_000)
    assert np.array_equal(first, again)
    for key, number in ((6, 3), (5, 4)):
        assert not np.array_equal(first, acceleration(CWRU_6205, 29.0, Defects(inner=0.5), key, number, 4_000))


def test_strokes_lie_between_samples() -> None:
    """A finer record of the same housing, thinned out, is the same vibration."""
    quiet = Housing(noise_m_s2=0.0)
    coarse = acceleration(CWRU_6205, 29.0, Defects(ball=1.0), 9, samples=2_000, rate_hz=20_000.0, housing=quiet)
    fine = acceleration(CWRU_6205, 29.0, Defects(ball=1.0), 9, samples=8_000, rate_hz=80_000.0, housing=quiet)
    assert fine[::4] == pytest.approx(coarse, abs=2e-3)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"turns_per_s": -1.0}, "turns_per_s"),
        ({"turns_per_s": float("nan")}, "turns_per_s"),
        ({"samples": 0}, "samples"),
        ({"samples": waveform.HIGHEST_SAMPLES + 1}, "samples"),
        ({"rate_hz": 5_000.0}, "rate_hz"),
    ],
)
def test_impossible_records_are_refused_by_name(wrong: dict[str, float], name: str) -> None:
    good = {"turns_per_s": 29.0, "samples": 1_000, "rate_hz": RATE_HZ}
    with pytest.raises(ValueError, match=name):
        acceleration(CWRU_6205, defects=Defects(), key=1, **(good | wrong))  # type: ignore[arg-type]


def test_impossible_defects_and_housings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="inner"):
        Defects(inner=1.5)
    with pytest.raises(ValueError, match="imbalance_mm_s"):
        Defects(imbalance_mm_s=-1.0)
    with pytest.raises(ValueError, match="damping"):
        Housing(damping=0.0)


# --- a motor --------------------------------------------------------------------------------------------------------


def test_the_waveform_of_a_motor_shows_what_its_values_show() -> None:
    keys = some_keys(40)
    machines = Machines(Motor(), keys)
    machines.state["wear"][:] = np.where(np.arange(40) % 2, 0.3, 1.0)
    machines.step(1)
    sizes: dict[str, list[float]] = {"good": [], "bad": []}
    for row in range(12):
        values = motor_waveform.motor_acceleration(
            machines.state, machines.parameters, {}, row, int(keys[row]), samples=8_192
        )
        sizes["good" if row % 2 else "bad"].append(float(values.std()))
    assert min(sizes["bad"]) > 2 * max(sizes["good"])


def velocity_mm_s(acceleration_m_s2: NDArray[np.float32]) -> float:
    """Root mean square of a record, integrated over 10 to 1000 Hz."""
    values = acceleration_m_s2.astype(np.float64)
    window = np.hanning(len(values))
    rates = np.fft.rfftfreq(len(values), 1 / RATE_HZ)
    lines = np.fft.rfft(values * window)
    seen = (rates >= 10.0) & (rates <= 1_000.0)
    powers = np.abs(lines[seen] / (2 * np.pi * rates[seen])) ** 2
    return float(np.sqrt(2.0 * powers.sum() / len(values) / np.square(window).sum())) * 1e3


@pytest.mark.parametrize("severity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("kind", "axis", "mode"),
    [(Motor(), "vibration_x_mm_s", mode.name) for mode in Motor.failures]
    + [(Pump(), "vibration_mm_s", mode.name) for mode in Pump.failures],
    ids=lambda each: each if isinstance(each, str) else each.name,
)
def test_a_record_integrates_to_what_the_channel_tells(
    kind: Motor | Pump, axis: str, mode: str, severity: float
) -> None:
    keys = some_keys(4)
    machines = Machines(kind, keys)
    machines.failures[mode] = np.full(4, severity, np.float32)
    machines.step(1_000_000)
    told = machines.channel(axis)
    for row in range(4):
        state, parameters = (
            {name: column[row : row + 1].copy() for name, column in columns.items()}
            for columns in (machines.state, machines.parameters)
        )
        failures = {name: column[row : row + 1] for name, column in machines.failures.items()}
        heard = kind.shaken(state, parameters, Inputs(1_000_000, 1_000_000, failures=failures), int(keys[row]))
        felt = velocity_mm_s(heard.record(int(keys[row]), samples=4 * 25_600))
        assert felt == pytest.approx(float(told[row]), rel=0.25)


def test_a_motor_worn_beyond_its_life_shakes_in_its_record_as_in_its_channel() -> None:
    machines = Machines(Motor(), some_keys(1))
    machines.state["wear"][:] = 1.1
    machines.step(1)
    made = motor_waveform.motor_acceleration(
        machines.state, machines.parameters, {}, 0, int(machines.keys[0]), samples=4 * 25_600
    )
    assert velocity_mm_s(made) == pytest.approx(float(machines.channel("vibration_x_mm_s")[0]), rel=0.25)


def test_a_rumble_leaves_the_envelope_around_the_resonance_to_the_defect() -> None:
    rate_hz = CWRU_6205.outer * TURNS_PER_S
    quiet, loud = (record(Defects(outer=0.3, broadband_mm_s=broad)) for broad in (0.0, 20.0))
    assert largest_hz(envelope(loud), to_hz=1_000.0) == pytest.approx(rate_hz, rel=0.02)
    assert line(envelope(loud), rate_hz) == pytest.approx(line(envelope(quiet), rate_hz), rel=0.02)


@pytest.mark.parametrize("rate_hz", [12_800.0, 25_600.0, 51_200.0])
def test_a_rumble_has_the_velocity_that_it_is_given_at_any_rate_of_samples(rate_hz: float) -> None:
    housing = Housing(noise_m_s2=0.0)
    made = acceleration(
        CWRU_6205, 29.0, Defects(broadband_mm_s=5.0), 3, samples=int(8 * rate_hz), rate_hz=rate_hz, housing=housing
    )
    velocity = np.cumsum(made.astype(np.float64)) / rate_hz * 1e3
    assert (velocity - velocity.mean()).std() == pytest.approx(5.0, rel=0.1)
    assert float(made.std()) < 5.0


def test_damage_sits_on_the_outer_ring_most_and_always_on_the_same_part() -> None:
    parts = [shaken.part_of(int(key)) for key in some_keys(3_000)]
    assert parts == [shaken.part_of(int(key)) for key in some_keys(3_000)]
    for part, share in shaken.PARTS:
        assert parts.count(part) / 3_000 == pytest.approx(share, abs=0.03)


def test_imbalance_and_a_stop_reach_the_waveform() -> None:
    machines = Machines(Motor(), some_keys(2))
    machines.step(1)
    failures = {"imbalance": np.array([0.0, 1.0], np.float32)}
    well, ill = (
        motor_waveform.defects_of(machines.state, machines.parameters, failures, row, 7).imbalance_mm_s
        for row in (0, 1)
    )
    assert ill - well > 0.85 * 7.0  # the lowest share of an axis
    still = motor_waveform.motor_acceleration(
        machines.state, machines.parameters, failures, 1, 7, samples=4_096, running=False
    )
    assert float(still.std()) == pytest.approx(Housing().noise_m_s2, rel=0.05)
