"""Faults of sensors: what each makes of the truth, in a small world beside the same world without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.campaigns import campaign
from tests.twin.worlds import Lab, plan
from twinstorm.scenarios.faults.base import Fault, catalogue
from twinstorm.scenarios.language.settings import fault_settings
from twinstorm.twin.flow import SECOND_US, FaultOrder, Values
from twinstorm.twin.machines.motor import Motor

MOTORS = 12
FROM_S, TO_S, END_S = 5, 65, 80
ILL = np.arange(0, MOTORS, 2, dtype=np.int32)
WELL = ILL + 1
CHANNELS = Motor().channels
SENSOR_FAULTS = sorted(name for name in catalogue() if name.startswith("sensor-"))


def order_of(name: str, given: Mapping[str, str], device: np.ndarray = ILL) -> tuple[type[Fault], FaultOrder]:
    fault = catalogue()[name]
    return fault, FaultOrder("f", name, fault_settings(fault, given), device, FROM_S * SECOND_US, TO_S * SECOND_US)


def told(lab: Lab, seq: range) -> Values:
    """(readings, devices, channels)."""
    return np.array(
        [[np.frombuffer(lab.delivered[who, number], np.float32) for who in range(MOTORS)] for number in seq]
    )


def play(name: str, given: Mapping[str, str], block: int = 16_384) -> Lab:
    lab = Lab.make(plan(motors=MOTORS, climate=0), block=block)
    fault, order = order_of(name, given)
    lab.until(FROM_S * SECOND_US)
    fault.start(lab.world, order, ILL, FROM_S * SECOND_US)
    lab.until(TO_S * SECOND_US)
    fault.end(lab.world, order, ILL, TO_S * SECOND_US)
    lab.until(END_S * SECOND_US)
    return lab


def truth() -> Values:
    lab = Lab.make(plan(motors=MOTORS, climate=0))
    lab.until(END_S * SECOND_US)
    return told(lab, range(1, END_S - 1))


TRUTH = truth()
DURING = slice(FROM_S, TO_S - 1)
"""Rows of readings sampled under the fault; sequence numbers count from 1 at instant 0."""


def error(name: str, channel: int = 0, **given: str) -> tuple[Values, Lab]:
    """What the ill ones told minus the truth, (readings, devices) during the fault; the rest is checked to be true."""
    lab = play(name, given)
    seen = told(lab, range(1, END_S - 1))
    np.testing.assert_array_equal(seen[:, WELL], TRUTH[:, WELL])
    np.testing.assert_array_equal(seen[:FROM_S], TRUTH[:FROM_S])
    np.testing.assert_array_equal(seen[TO_S:], TRUTH[TO_S:])
    others = [one for one in range(len(CHANNELS)) if one != channel]
    np.testing.assert_array_equal(seen[:, :, others], TRUTH[:, :, others])
    return seen[DURING, :, channel][:, ILL] - TRUTH[DURING, :, channel][:, ILL], lab


def test_a_bias_is_the_same_at_every_instant_in_any_unit_of_temperature() -> None:
    off, lab = error("sensor-bias", by="5 C")
    np.testing.assert_allclose(off, 5.0, atol=0.051)
    in_fahrenheit, _ = error("sensor-bias", by="9 F")
    np.testing.assert_allclose(in_fahrenheit, 5.0, atol=0.051)
    of_range, _ = error("sensor-bias", by="-2.5 %")
    np.testing.assert_allclose(of_range, -6.0, atol=0.051)
    assert lab.world.evidence_of("f").counts == {"readings_changed": len(ILL) * (TO_S - FROM_S)}


def test_a_sensor_saturates_at_the_end_of_its_range() -> None:
    off, _ = error("sensor-bias", by="500 C")
    highest = CHANNELS[0].highest
    np.testing.assert_allclose(off + TRUTH[DURING, :, 0][:, ILL], highest, atol=0.01)


def test_a_drift_starts_at_nothing_and_grows_steadily() -> None:
    off, _ = error("sensor-drift", by="6 C", each="1 min")
    since_s = np.arange(len(off))[:, None]
    np.testing.assert_allclose(off, 0.1 * since_s + np.zeros_like(off), atol=0.06)


def test_noise_scatters_around_the_truth() -> None:
    off, _ = error("sensor-noise", deviation="4 C")
    assert off.std() == pytest.approx(4.0, rel=0.15)
    assert abs(off.mean()) < 4.0 * 4 / np.sqrt(off.size)


def test_spikes_are_rare_high_and_over_at_once() -> None:
    off, lab = error("sensor-spike", height="20 C", share="10 %")
    hit = np.abs(off) > 1
    assert hit.mean() == pytest.approx(0.1, abs=0.05)
    np.testing.assert_allclose(np.abs(off[hit]), 20.0, atol=0.11)
    assert (off > 1).any()
    assert (off < -1).any()
    assert lab.world.evidence_of("f").counts["readings_changed"] == pytest.approx(hit.sum(), abs=len(ILL))


def test_a_channel_drops_out_and_the_others_go_on() -> None:
    off, _ = error("sensor-dropout")
    assert np.isnan(off).all()
    some, _ = error("sensor-dropout", share="25 %")
    assert np.isnan(some).mean() == pytest.approx(0.25, abs=0.08)
    assert (some[~np.isnan(some)] == 0).all()


def test_a_value_in_another_unit_is_right_in_that_unit() -> None:
    off, _ = error("sensor-unit")
    true = TRUTH[DURING, :, 0][:, ILL]
    np.testing.assert_allclose(off + true, true * 1.8 + 32, atol=0.06)
    kelvin, _ = error("sensor-unit", unit="K")
    np.testing.assert_allclose(kelvin, 273.15, atol=0.06)


def test_a_lost_calibration_grows_with_the_value() -> None:
    off, _ = error("sensor-calibration", gain="1.2", by="1 C")
    true = TRUTH[DURING, :, 0][:, ILL]
    np.testing.assert_allclose(off, 0.2 * true + 1.0, atol=0.06)


def test_swapped_channels_stand_in_each_others_place() -> None:
    lab = play("sensor-swap", {})
    seen = told(lab, range(1, END_S - 1))[DURING][:, ILL]
    true = TRUTH[DURING][:, ILL]
    np.testing.assert_array_equal(seen[:, :, 1], true[:, :, 3])
    np.testing.assert_array_equal(seen[:, :, 3], true[:, :, 1])
    np.testing.assert_array_equal(seen[:, :, [0, 2, 4, 5]], true[:, :, [0, 2, 4, 5]])


def test_a_stuck_sensor_repeats_its_first_value_under_the_fault() -> None:
    off, lab = error("sensor-stuck")
    told_values = off + TRUTH[DURING, :, 0][:, ILL]
    np.testing.assert_allclose(told_values, told_values[:1] + np.zeros_like(told_values), atol=1e-4)
    assert lab.world.evidence_of("f").counts["readings_changed"] > 100


def test_all_channels_can_be_stuck_at_once() -> None:
    lab = play("sensor-stuck", {"channel": "all"})
    seen = told(lab, range(1, END_S - 1))[DURING][:, ILL]
    np.testing.assert_array_equal(seen, np.broadcast_to(seen[:1], seen.shape))


@pytest.mark.parametrize("name", SENSOR_FAULTS)
def test_blocks_change_nothing(name: str) -> None:
    whole, parts = play(name, {}), play(name, {}, block=3)
    assert whole.delivered == parts.delivered
    assert whole.world.evidence_of("f") == parts.world.evidence_of("f")


@pytest.mark.parametrize("name", SENSOR_FAULTS)
def test_evidence_is_nothing_where_nobody_has_the_channel(name: str) -> None:
    lab = Lab.make(plan(motors=4, climate=4))
    fault, order = order_of(name, {"channel": "humidity_pct"}, np.arange(4, 8, dtype=np.int32))
    lab.until(FROM_S * SECOND_US)
    fault.start(lab.world, order, order.device, FROM_S * SECOND_US)
    lab.until(TO_S * SECOND_US)
    assert not fault.evidence(lab.world, order).bit


@campaign(12, nightly=500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SENSOR_FAULTS), st.integers(0, 30), st.integers(1, 30), st.sampled_from(["first", "all"])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_overlaps_the_ledger_closes_and_buffers_tell_what_was_told(
    faults: list[tuple[str, int, int, str]],
) -> None:
    """A cut in the middle: what waited in a buffer arrives as it was measured."""

    def run(cut: bool) -> Lab:
        lab = Lab.make(plan(motors=6, climate=2))
        acts: list[tuple[int, int, bool]] = []
        for number, (_, from_s, lasts_s, _) in enumerate(faults):
            acts += [(from_s, number, True), (from_s + lasts_s, number, False)]
        everyone = np.arange(8, dtype=np.int32)
        cuts = {12: lab.world.cut, 27: lab.world.heal} if cut else {}
        for at_s in range(70):
            at_us = at_s * SECOND_US
            lab.until(at_us)
            if at_s in cuts:
                cuts[at_s](everyone, at_us, "both")
            for when_s, number, starts in acts:
                if when_s == at_s:
                    name, _, _, channel = faults[number]
                    channel_of: dict[str, Any] = {} if name == "sensor-swap" else {"channel": channel}
                    fault = catalogue()[name]
                    order = FaultOrder(f"f{number}", name, fault_settings(fault, channel_of), everyone, at_us, None)
                    (fault.start if starts else fault.end)(lab.world, order, everyone, at_us)
        assert lab.missing() == 0
        return lab

    plain, cut = run(False), run(True)
    both = plain.delivered.keys() & cut.delivered.keys()
    assert len(both) > 300
    assert all(plain.delivered[key] == cut.delivered[key] for key in both)
