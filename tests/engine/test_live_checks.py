"""What a live run cannot do is told before anything exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinstorm.scenarios.engine.live_checks import (
    ASK_ABOVE_CONNECTS_PER_S,
    MOST_CONNECTS_PER_S,
    connect_ceiling,
    problems,
)
from twinstorm.scenarios.language.reader import load

TEXT = """storm: 1
name: slow
story: A slow link.
duration: 5 min
fleet: {devices: 10, segments: {all: {kind: motor, share: 100 %}}}
steps:
  - {name: lag, at: 60 s, fault: FAULT, target: all, lasts: 60 s}
"""


@pytest.mark.parametrize(
    ("fault", "target", "live"),
    [("latency", "all", True), ("latency", "state=online", False), ("partition", "state=online", True)],
)
def test_a_fault_that_slows_links_must_know_its_devices_before_a_live_run(
    fault: str, target: str, live: bool, tmp_path: Path
) -> None:
    path = tmp_path / "slow.storm.yaml"
    path.write_text(TEXT.replace("FAULT", fault).replace("target: all", f"target: {target}"))
    scenario = load(str(path))
    asked = {"speed": 1.0, "broker_url": None, "hold_open": False, "yes": False}
    told = problems(scenario, live=True, **asked)  # type: ignore[arg-type]
    assert (not told) == live
    assert all("step lag" in each and "know its devices" in each for each in told)
    assert problems(scenario, live=False, **asked) == []  # type: ignore[arg-type]


CARRIED = """storm: 1
name: slow
story: A fleet behind gateways.
duration: 5 min
fleet:
  devices: 10
  segments:
    edge: {kind: gateway, devices: 1, keep_alive: 60 s}
    motors: {kind: motor, devices: 9, through: edge, keep_alive: 10 s}
steps:
  - {name: crash, at: 60 s, fault: gateway-crash, target: segment=edge, lasts: 60 s}
"""


def test_devices_behind_gateways_need_no_keep_alive_that_a_socket_could_keep(tmp_path: Path) -> None:
    path = tmp_path / "slow.storm.yaml"
    path.write_text(CARRIED)
    asked = {"broker_url": None, "hold_open": False, "yes": False}
    assert problems(load(str(path)), live=True, speed=20.0, **asked) == []  # type: ignore[arg-type]
    told = problems(load(str(path)), live=True, speed=40.0, **asked)  # type: ignore[arg-type]
    assert len(told) == 1
    assert "keep-alive of segment edge" in told[0]


@pytest.mark.parametrize(
    ("devices", "speed", "jitter", "told"),
    [
        (200, 10.0, "full", []),
        (201, 1.0, "none", ["up to 201 connects a second"]),
        (600, 1.0, "full", ["600 clients", "up to 300 connects a second"]),
        (600, 10.0, "full", ["600 clients", "up to 600 connects a second"]),
    ],
)
def test_much_on_a_broker_that_is_not_ours_needs_a_yes_even_here(
    devices: int, speed: float, jitter: str, told: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "much.storm.yaml"
    policy = f"keep_alive: 60 s, reconnect: {{base: 2 s, jitter: {jitter}}}"
    fleet = f"fleet: {{devices: {devices}, {policy}, segments: {{all: {{kind: motor, share: 100 %}}}}}}"
    path.write_text(f"storm: 1\nname: much\nstory: Many.\nduration: 5 min\n{fleet}\n")
    scenario = load(str(path))

    def found(broker_url: str | None, yes: bool) -> list[str]:
        return problems(scenario, live=True, speed=speed, broker_url=broker_url, hold_open=False, yes=yes)

    here = found("mqtt://127.0.0.1:1883", yes=False)
    assert len(here) == len(told)
    assert all(part in line and "--yes" in line for part, line in zip(told, here, strict=True))
    assert found("mqtt://127.0.0.1:1883", yes=True) == []
    assert found(None, yes=False) == []


@pytest.mark.parametrize(
    ("url", "yes", "asked", "most"),
    [
        (None, False, None, MOST_CONNECTS_PER_S),
        ("mqtt://127.0.0.1:1883", True, None, MOST_CONNECTS_PER_S),
        ("mqtt://127.0.0.1:1883", False, None, ASK_ABOVE_CONNECTS_PER_S),
        ("mqtt://127.0.0.1:1883", False, 7, 7),
        ("mqtt://127.0.0.1:1883", True, 900, 900),
        (None, True, 10 * MOST_CONNECTS_PER_S, MOST_CONNECTS_PER_S),
    ],
)
def test_what_nobody_consented_to_the_fleet_never_exceeds(
    url: str | None, yes: bool, asked: int | None, most: int
) -> None:
    assert connect_ceiling(broker_url=url, yes=yes, max_connects_per_s=asked) == most


@pytest.mark.parametrize(("ceiling", "told"), [(None, True), (150, False), (201, True)])
def test_a_low_ceiling_takes_the_question_about_connects_away(ceiling: int | None, told: bool, tmp_path: Path) -> None:
    path = tmp_path / "much.storm.yaml"
    fleet = "{devices: 300, keep_alive: 60 s, reconnect: {jitter: none}, segments: {all: {kind: motor, share: 100 %}}}"
    path.write_text(f"storm: 1\nname: much\nstory: Many.\nduration: 5 min\nfleet: {fleet}\n")
    found = problems(
        load(str(path)),
        live=True,
        speed=1.0,
        broker_url="mqtt://127.0.0.1:1883",
        hold_open=False,
        yes=False,
        max_connects_per_s=ceiling,
    )
    assert any("--max-connects-per-s" in each for each in found) == told


def test_a_ceiling_needs_a_live_run(tmp_path: Path) -> None:
    path = tmp_path / "slow.storm.yaml"
    path.write_text(CARRIED)
    asked = {"speed": 1.0, "broker_url": None, "hold_open": False, "yes": False}
    (told,) = problems(load(str(path)), live=False, max_connects_per_s=5, **asked)  # type: ignore[arg-type]
    assert told.startswith("--max-connects-per-s needs --live")
