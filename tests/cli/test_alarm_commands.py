"""`score`, `explain RUN alarm N` and `report --webhook` on a recorded run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Ran
from tests.hook_receiver import babbling
from tests.record.recorded import record, result
from twinstorm.scenarios.metrics import Metrics
from twinstorm.scenarios.result import ExampleResult

Command = Callable[..., Ran]


@pytest.fixture
def storm(tmp_path: Path) -> str:
    """A recorded run: one fault, an alarm that names it, and one without cause."""
    base = result()
    example = ExampleResult(device="fra-2/motors-0001", last_s=119.2, seq=119, boot=1, session=True)
    right = msgspec.structs.replace(
        base.alarms[0], number=1, devices=300, known=400, right=True, score=1.4, examples=[example]
    )
    false = msgspec.structs.replace(base.alarms[0], number=2, at_s=500.0, fault=None, delay_s=None, name="reboot-storm")
    outcome = msgspec.structs.replace(base, alarms=[right, false])
    return str(record(tmp_path, outcome).folder)


def test_score_tells_precision_recall_and_false_pages(command: Command, storm: str) -> None:
    ran = command("score", storm, "--json")
    scored = json.loads(ran.out)
    assert ran.code == 0
    assert not scored["control"]
    total = scored["total"]
    assert (total["alarms"], total["precision"], total["recall"]) == (2, 0.5, 1.0)
    assert (total["delay_s"], total["right"]) == (41.0, 1.0)
    assert total["false_pages_per_day"] == pytest.approx(1 / scored["days"])
    assert [row["name"] for row in scored["detectors"]] == ["reboot-storm", "silence"]
    assert [row["recall"] for row in scored["detectors"]] == [0, 1]
    ran = command("score", storm)
    assert "detector silence" in ran.out
    assert "fault power-outage" in ran.out
    assert "1 fault with effect" in ran.out


def test_explain_an_alarm_goes_down_to_readings(command: Command, storm: str) -> None:
    ran = command("explain", storm, "alarm", "1")
    assert ran.code == 0
    assert "affected  300 devices of 400 (75 %) that could be judged" in ran.out
    assert "fra-2/motors-0001  reading 119 arrived 00:01:59  boot 1  session" in ran.out
    assert "power-outage (outage) on 400 devices; the group names what it struck" in ran.out
    assert ran.out.count("00:02:4") + ran.out.count("00:02:39") >= 3, "the seconds before"
    ran = command("explain", storm, "alarm", "7")
    assert (ran.code, "no alarm `7`" in ran.err, "it has 2" in ran.err) == (2, True, True)


@pytest.mark.parametrize("words", [("score", "nothing"), ("explain", "nothing", "alarm", "1")])
def test_a_run_that_is_not_there(command: Command, words: tuple[str, ...]) -> None:
    ran = command(*words)
    assert (ran.code, "no run `nothing`" in ran.err) == (2, True)


def test_a_webhook_on_another_machine_needs_a_yes(command: Command, storm: str) -> None:
    ran = command("report", storm, "--webhook", "http://example.org/hook")
    assert (ran.code, "`example.org` is another machine" in ran.err) == (2, True)
    ran = command("run", "all-quiet", "--metrics", "0.0.0.0:9464")
    assert (ran.code, "is no address of this machine" in ran.err) == (2, True)


def test_a_webhook_that_does_not_speak_http_is_no_bug(
    command: Command, storm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinstorm.scenarios.webhook.FIRST_WAIT_S", 0.0)
    with babbling(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        ran = command("report", storm, "--webhook", url)
    assert ran.code == 4, ran.err
    assert "it does not speak HTTP: BadStatusLine: SSH-2.0-OpenSSH_9.2" in ran.err
    assert "bug" not in ran.err
    ran = command("report", storm, "--webhook", "http://127.0.0.1:http/")
    assert (ran.code, "is no address of a webhook" in ran.err) == (2, True)


def test_metrics_of_a_run_have_the_counts_of_its_objectives(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """They pass through whatever stands between the engine and those who read."""
    served: list[Metrics] = []

    class Kept(Metrics):
        def __init__(self) -> None:
            super().__init__()
            served.append(self)

    monkeypatch.setattr("twinstorm.scenarios.metrics.Metrics", Kept)
    ran = command("run", "all-quiet", "--devices", "20", "--until", "4 min", "--metrics", "127.0.0.1:0")
    assert ran.code == 0, ran.err
    (metrics,) = served
    assert re.search(r'^twinstorm_objective_events_total{objective="connected"} [1-9]', metrics.text(), re.MULTILINE)
    assert 'twinstorm_objective_bad_total{objective="connected"} 0' in metrics.text()
