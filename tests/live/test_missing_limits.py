"""What is judged when a broker's limits on connects were not imposed; in virtual time, for the judge knows no clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twinstorm.scenarios.engine.live_checks import problems
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import load

REASON = "limits cannot be imposed"

SCENARIO = """storm: 1
name: limits
story: An outage, and devices that come back.
duration: 3 min
warm_up: 10 s
fleet:
  devices: 100
  sites: [arn-1, fra-1]
  keep_alive: 12 s
  segments:
    motors: {kind: motor, share: 100 %, every: 1 s, link: ethernet}
broker:
  connects: {rate: 10/s, burst: 1, queue: 0}
objectives:
  connected: {sli: connectivity, at_least: 1 %}
steps:
  - {name: outage, at: 30 s, fault: power-outage, target: all, lasts: 30 s}
expect:
"""


SHAPED = {
    "recovered: 90 %, of: outage": "held",
    "recovered: 90 %, of: outage, within: 1 s": "missed",
    "count: refused, at_most: 0": "missed",
    "alarm: reboot-storm, after: outage": "held",
    "alarm: connect-storm, after: outage": "held",
    "no_alarm: connect-storm, from: outage": "missed",
    "never: refused > 100000": "held",
}
"""What limits shape, and the verdict on it with them."""

NOT_SHAPED = {
    "count: reboots, at_most: 1000": "held",
    "count: reboots, at_most: 1": "missed",
    "ledger: lost, at_most: 100 %": "held",
    "alarm: silence, after: outage": "held",
    "no_alarm: silence, from: outage": "missed",
    "no_alarm: any, to: outage": "held",
    "no_alarm: connect-storm, to: outage": "held",
    # A storm that the limits shape came as well, but this one is reason enough.
    "no_alarm: any, from: outage": "missed",
    "always: produced >= 0": "held",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], tuple[str, str]]:
    """Verdict and reason of an expectation. None knows of the others, so that one run serves all."""
    expectations = [*SHAPED, *NOT_SHAPED]
    path = tmp_path_factory.mktemp("limits") / "limits.storm.yaml"
    path.write_text(SCENARIO + "".join(f"  - {{{each}}}\n" for each in expectations), encoding="utf-8")
    first_line = SCENARIO.count("\n") + 1
    verdicts: dict[tuple[str, str], tuple[str, str]] = {}
    for limits_missing in ("", REASON):
        engine = build(load(str(path)), RunOptions(seed=1))
        engine.judge.limits_missing = limits_missing
        engine.play()
        for found in result_of(engine, speed=0.0, wall_s=0.0, repeat="").expectations:
            if found.line:  # what objectives promise has none
                verdicts[expectations[found.line - first_line], limits_missing] = found.verdict, found.why
    return lambda expectation, limits_missing: verdicts[expectation, limits_missing]


@pytest.mark.parametrize(("expectation", "with_limits"), SHAPED.items())
def test_what_limits_shape_is_open_without_them(
    expectation: str, with_limits: str, judged: Callable[[str, str], tuple[str, str]]
) -> None:
    assert judged(expectation, "")[0] == with_limits
    assert judged(expectation, REASON) == ("inconclusive", REASON)


@pytest.mark.parametrize(("expectation", "verdict"), NOT_SHAPED.items())
def test_what_limits_do_not_shape_is_judged_as_ever(
    expectation: str, verdict: str, judged: Callable[[str, str], tuple[str, str]]
) -> None:
    for limits_missing in ("", REASON):
        assert judged(expectation, limits_missing) == (verdict, "")


def test_all_that_is_wrong_with_a_live_run_is_told_together() -> None:
    found = problems(
        load("reboot-storm", devices=9_001),
        live=True,
        speed=100.0,
        broker_url="mqtt://broker.example",
        hold_open=False,
        yes=False,
    )
    assert any("9,001 devices" in problem for problem in found)
    assert any("keep-alive" in problem for problem in found)
    assert any("--yes" in problem for problem in found)


def test_a_broker_of_ones_own_may_have_more_devices_than_the_embedded_one() -> None:
    def found(broker_url: str | None, devices: int) -> bool:
        options: dict[str, Any] = {"live": True, "speed": 1.0, "hold_open": False, "yes": True}
        told = problems(load("reboot-storm", devices=devices), broker_url=broker_url, **options)
        return any("more than one machine" in problem for problem in told)

    assert [found(None, devices) for devices in (2_000, 2_001)] == [False, True]
    assert [found("mqtt://127.0.0.1", devices) for devices in (9_000, 9_001)] == [False, True]


def test_tls_is_about_the_embedded_broker_of_a_live_run() -> None:
    def found(live: bool, broker_url: str | None) -> list[str]:
        scenario = load("reboot-storm", devices=20)
        return problems(scenario, live=live, speed=1.0, broker_url=broker_url, hold_open=False, yes=False, tls=True)

    assert found(True, None) == []
    assert found(False, None) == ["--tls needs --live: a virtual run has no socket"]
    assert "--tls is about the embedded broker: leave --broker out, or leave --tls out" in found(
        True, "mqtt://127.0.0.1"
    )


@pytest.mark.parametrize("speed", [0.0, 1.0])
def test_a_live_run_that_can_be_played_has_no_problem(speed: float) -> None:
    assert (
        problems(load("reboot-storm", devices=200), live=True, speed=speed, broker_url=None, hold_open=True, yes=False)
        == []
    )
