"""What is true of machines at one instant, and until when they really lasted."""

from __future__ import annotations

import numpy as np

from twinstorm.scenarios.models.condition_rows import _until_end
from twinstorm.twin.condition import conditions_of
from twinstorm.twin.failures import MachineFailure
from twinstorm.twin.machines.kind import Truth


def failing(mode: str, severity: float, device: list[int], from_us: int = 0) -> MachineFailure:
    who = np.array(device, np.int32)
    return MachineFailure(mode, mode, severity, 100, who, np.full(len(who), from_us, np.int64))


def test_of_several_failures_the_one_that_has_gone_furthest_counts() -> None:
    truths = [(0, Truth(np.array([1.0, 0.5], np.float32), np.array([np.inf, 60.0], np.float32)))]
    truths += [(2, Truth(np.array([0.25], np.float32), np.array([5.0], np.float32)))]
    failures = [[failing("leak", 0.5, [0, 1]), failing("dry", 1.0, [1], from_us=80)], [failing("spall", 0.0, [2])]]
    found = conditions_of(4, truths, failures, 100)
    assert found.modes == ("dry", "leak", "spall")
    assert [found.modes[each] if each >= 0 else "" for each in found.mode] == ["leak", "leak", "", ""]
    np.testing.assert_allclose(found.severity, [0.5, 0.5, 0.0, 0.0])
    assert found.health.tolist() == [1.0, 0.5, 0.25, 1.0]
    assert found.remaining_s.tolist() == [np.inf, 60.0, 5.0, np.inf]
    later = conditions_of(4, truths, failures, 180)
    assert [later.modes[each] if each >= 0 else "" for each in later.mode] == ["leak", "dry", "", ""]


def test_a_machine_lasts_until_it_is_at_its_end_and_not_beyond_a_repair() -> None:
    health = np.array([[0.5, 0.5, 0.5], [0.2, 0.2, 0.4], [0.0, 1.0, 0.3], [0.0, 0.5, 0.2], [0.0, 0.0, 0.1]], np.float32)
    expected = [
        [2.0, np.inf, np.inf],
        [1.0, np.inf, np.inf],
        [0.0, 2.0, np.inf],
        [0.0, 1.0, np.inf],
        [0.0, 0.0, np.inf],
    ]
    np.testing.assert_array_equal(_until_end(health), expected)
