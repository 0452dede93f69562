"""What the language knows by name is what is there, and settings of faults and detectors are typed alike."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from twinstorm.broker.models import MODELS
from twinstorm.detectors.catalogue import SLIS as MEASURED
from twinstorm.detectors.options import typed
from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.scenarios.language import catalogue, schema
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.fields import BAD
from twinstorm.scenarios.language.model import Buffer, Reconnect
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.selectors import STATES
from twinstorm.scenarios.language.settings import SettingError, fault_settings
from twinstorm.scenarios.protocol import STATES as SHOWN_STATES
from twinstorm.twin.network import LINKS


def test_links_and_broker_models_are_those_that_are_modelled() -> None:
    assert set(catalogue.LINKS) == set(LINKS)
    assert set(catalogue.BROKER_MODELS) == set(MODELS)


def test_slis_of_this_version_are_those_that_are_measured() -> None:
    assert {name for name, sli in catalogue.SLIS.items() if not sli.is_later} == set(MEASURED)
    for sli in catalogue.SLIS.values():
        assert bool(sli.definition) != sli.is_later


@pytest.mark.parametrize("name", catalogue.KINDS)
def test_a_segment_has_the_period_of_its_kind_unless_one_is_written(name: str) -> None:
    text = TEXT.replace("kind: motor", f"kind: {name}").replace("devices: 200", "devices: 1")
    assert read(text, "t.yaml").fleet.segments[0].every_us == catalogue.kinds()[name].every_us
    at_fleet = text.replace("devices: 1,", "devices: 1, every: 7 s,")
    assert read(at_fleet, "t.yaml").fleet.segments[0].every_us == 7_000_000


def test_kinds_and_alarms_are_those_that_are_installed() -> None:
    assert set(catalogue.KINDS) == set(catalogue.kinds())
    assert set(catalogue.ALARMS) <= set(catalogue.alarms())
    assert {"power-outage", "broker-outage", "partition", "sensor-stuck"} <= set(catalogue.faults())


def test_states_are_those_of_the_screen() -> None:
    assert STATES == SHOWN_STATES


def test_defaults_of_the_schema_are_those_of_the_model() -> None:
    def default(table: Any, key: str) -> Any:
        found = table.key(key)
        return found.field.default(found.default)

    reconnect, buffer = Reconnect(), Buffer()
    assert [default(schema.RECONNECT, key) for key in ("backoff", "base", "cap", "jitter", "timeout")] == [
        reconnect.backoff,
        reconnect.base_us,
        reconnect.cap_us,
        reconnect.jitter,
        reconnect.timeout_us,
    ]
    assert [default(schema.BUFFER, key) for key in ("readings", "evict")] == [buffer.readings, buffer.evict]


def test_every_default_can_be_read() -> None:
    for path, key in schema.documented().items():
        if key.default:
            assert key.field.default(key.default) is not BAD, path


@pytest.mark.parametrize("name", catalogue.faults())
def test_settings_of_every_fault_have_readable_defaults(name: str) -> None:
    fault = catalogue.faults()[name]
    assert set(fault_settings(fault, {})) == {setting.name for setting in fault.settings}


@pytest.mark.parametrize("name", catalogue.detectors())
def test_settings_of_every_detector_have_readable_defaults(name: str) -> None:
    given = {option.name: option.default for option in catalogue.detector_options(name)}
    if name == "limit":
        given["highest"] = "50"  # Without a limit it could never alarm, which is an error.
    settings = "".join(f"    {key}: {value}\n" for key, value in given.items())
    text = f"{TEXT}detectors:\n  {name}:\n{settings}".replace("%}", "%, certificate_expires: 20 d}")
    detectors = read(text, "t.yaml").detectors
    assert detectors is not None
    # The detector's own reading of the same words.
    options: Any = catalogue.detector_options(name)
    assert detectors[name] == typed(name, options, given)


TEXT = """\
storm: 1
name: t
story: A fault with settings of every kind.
duration: 10 min
fleet: {devices: 200, segments: {all: {kind: motor, share: 100 %}}}
"""

SETTINGS = (
    Setting("delay", "duration", "400 ms", "held back for"),
    Setting("part", "share", "10 %", "of the messages"),
    Setting("speed", "rate", "1 %/s", "devices in a time"),
    Setting("some", "count", "1 %", "devices"),
    Setting("factor", "number", "1.5", "times slower"),
    Setting("way", "word", "both", "direction", ("both", "up")),
    Setting("channel", "text", "first", "channel"),
    Setting("by", "quantity", "-2.5 mm/s", "shift"),
    Setting("free", "size", "64 kB", "memory"),
    Setting("leak", "size_rate", "6 kB/min", "loss"),
)


class SlowLink(Fault):
    """A stranger's fault."""

    name: ClassVar[str] = "slow-link"
    settings: ClassVar[tuple[Setting, ...]] = SETTINGS


@pytest.fixture
def slow_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "faults", lambda: {"slow-link": SlowLink})


MORE = "by: 5 C, free: 1 MB, leak: 9 kB/h"
STEP = "steps:\n  - {at: 1 min, fault: slow-link, target: all, with: {%s}}\n"


@pytest.mark.usefixtures("slow_link")
def test_settings_are_typed_by_their_kind_and_filled_with_defaults() -> None:
    (step,) = read(TEXT + STEP % "", "t.yaml").steps
    assert step.settings == {
        "delay": 400_000,
        "part": 0.1,
        "speed": 2.0,
        "some": 2,
        "factor": 1.5,
        "way": "both",
        "channel": "first",
        "by": (-2.5, "mm/s"),
        "free": 64_000.0,
        "leak": 100.0,
    }
    (step,) = read(
        TEXT + STEP % ("delay: 2 s, part: 20 %, speed: 30/min, some: 7, way: up, channel: 3, " + MORE), "t.yaml"
    ).steps
    assert step.settings == {
        "delay": 2_000_000,
        "part": 0.2,
        "speed": 0.5,
        "some": 7,
        "factor": 1.5,
        "way": "up",
        "channel": "3",
        "by": (5.0, "C"),
        "free": 1_000_000.0,
        "leak": 2.5,
    }
    assert {type(step.settings[name]) for name in ("part", "speed", "factor")} == {float}
    assert {type(step.settings[name]) for name in ("delay", "some")} == {int}


@pytest.mark.usefixtures("slow_link")
def test_every_wrong_setting_is_told() -> None:
    wrong = "delay: 2, part: 0.2, speed: 30, some: x, factor: fast, way: down, chanel: first"
    with pytest.raises(ScenarioErrors) as raised:
        read(TEXT + STEP % wrong, "t.yaml")
    assert [problem.code for problem in raised.value.problems] == [
        *("S201", "S205", "S206", "S207", "S207", "S204", "S102"),
    ]
    assert raised.value.problems[-1].path == "steps[0].with.channel"


def test_settings_of_an_injection_are_checked_alike() -> None:
    partition = catalogue.faults()["partition"]
    assert fault_settings(partition, {"direction": "up"}) == {"direction": "up", "on": "model"}
    with pytest.raises(SettingError, match=r"unknown value of `direction` `don`\. .*allowed: both, up, down"):
        fault_settings(partition, {"direction": "don"})
    with pytest.raises(SettingError, match=r"unknown key `direktion`\. did you mean `direction`"):
        fault_settings(partition, {"direktion": "up"})


def test_shares_in_settings_are_of_the_fleet() -> None:
    stranger: Any = SimpleNamespace(name="slow-link", settings=SETTINGS)
    assert fault_settings(stranger, {"some": "50 %", "speed": "10 %/s"}, devices=10)["some"] == 5
    assert fault_settings(stranger, {"some": "50 %", "speed": "10 %/s"}, devices=10)["speed"] == 1.0
