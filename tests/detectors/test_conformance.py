"""Every installed detector keeps the contract."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.detectors.lab import registry_of
from twinstorm.detectors.conformance import CHECKS, check, made
from twinstorm.detectors.contract import Batch, Detector, build, catalogue, requested
from twinstorm.detectors.options import Option, typed
from twinstorm.detectors.policy import Policy
from twinstorm.twin.flow import SECOND_US, Registry, Values

FLEET = registry_of(motors=12, climate=3, climate_every_us=5 * SECOND_US)
EVERY = {**catalogue(), **requested()}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("rule", sorted(CHECKS))
def test_detector(name: str, rule: str) -> None:
    CHECKS[rule](EVERY[name], FLEET)


@pytest.mark.parametrize("name", EVERY)
def test_detector_says_who_it_is(name: str) -> None:
    kind = EVERY[name]
    assert kind.name == name
    assert kind.summary
    assert kind.headline
    assert isinstance(made(kind, FLEET).policy, Policy)


class Sound:
    """Scores a session's absence, and remembers how often it looked."""

    name: ClassVar[str] = "sound"
    summary: ClassVar[str] = "devices without a session"
    headline: ClassVar[str] = "have no session"
    options: ClassVar[tuple[Option, ...]] = ()

    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        self.policy = Policy(share=0.3, fleet_share=0.05)
        self.seen: Any = np.zeros(len(registry), np.int32)

    def learn(self, batch: Batch) -> None:
        self.seen += batch.session_live

    def score(self, batch: Batch) -> Values:
        score: Values = (~batch.session_live).astype(np.float32)
        return score


class Greedy(Sound):
    def learn(self, batch: Batch) -> None:
        self.seen = np.append(self.seen, np.zeros(1_000, np.int32))


class Writing(Sound):
    def score(self, batch: Batch) -> Values:
        batch.session_live[0] = False
        return super().score(batch)


class Counting(Sound):
    def score(self, batch: Batch) -> Values:
        self.seen[0] += 1
        return super().score(batch)


class Double(Sound):
    def score(self, batch: Batch) -> Values:
        return np.zeros(len(batch), np.float64)


class Hidden(Sound):
    def __init__(self, registry: Registry, settings: Mapping[str, Any]) -> None:
        super().__init__(registry, settings)
        self.rule = lambda: 1


class Forgetful(Sound):
    def __getstate__(self) -> dict[str, Any]:
        return {"policy": self.policy, "seen": np.zeros_like(self.seen)}

    def score(self, batch: Batch) -> Values:
        return self.seen.astype(np.float32) / np.float32(1_000)


class Jumpy(Sound):
    def score(self, batch: Batch) -> Values:
        return np.ones(len(batch), np.float32)


def test_a_stranger_s_sound_detector_passes() -> None:
    sound: type[Detector] = Sound
    check(sound, FLEET)


@pytest.mark.parametrize("unsound", [Greedy, Writing, Counting, Double, Hidden, Forgetful, Jumpy])
def test_an_unsound_one_does_not(unsound: type[Detector]) -> None:
    with pytest.raises((AssertionError, ValueError, AttributeError)):
        check(unsound, FLEET)


# --- settings ---------------------------------------------------------------------------------------------------------


def test_the_default_set_is_every_installed_detector() -> None:
    assert [detector.name for detector in build(FLEET, None)] == ["connect-storm", "reboot-storm", "silence"]
    assert build(FLEET, {}) == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"silnce": {}},
            "unknown detector `silnce`; allowed: config-drift, connect-storm, expiring-certificates, reboot-storm, ",
        ),
        ({"silence": {"periodes": 4}}, "detector `silence` has no setting `periodes`; allowed: devices, hold, least, "),
        ({"silence": {"least": "10"}}, "detector `silence`: setting `least` is a duration such as `60 s`, not `10`"),
        ({"silence": {"share": "0.3"}}, "setting `share` is a share such as `5 %`, not `0.3`"),
        ({"silence": {"share": "130 %"}}, "setting `share` is a share"),
        ({"silence": {"severity": "call"}}, "setting `severity` is one of page, ticket, not `call`"),
        ({"silence": {"devices": True}}, "setting `devices` is a whole number, not `True`"),
        ({"silence": {"periods": "-1"}}, "setting `periods` is a number, not `-1`"),
        ({"reboot-storm": {"within": -5}}, "setting `within` is a duration"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(wanted: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build(FLEET, wanted)


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("duration", "1h30min", 5_400_000_000),
        ("duration", "1.5 s", 1_500_000),
        ("duration", 250, 250),
        ("share", "5 %", 0.05),
        ("share", "0.5%", 0.005),
        ("share", 1, 1.0),
        ("count", "12", 12),
        ("number", "2.5", 2.5),
        ("number", 2, 2.0),
    ],
)
def test_settings_come_as_text_or_typed(kind: Any, given: Any, value: Any) -> None:
    option = Option("it", kind, "0 s", "")
    assert typed("x", (option,), {"it": given}) == {"it": value}
