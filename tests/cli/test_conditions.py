"""Models of conditions as somebody uses them: taught by recorded runs, judged by another, at work in a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from twinstorm.detectors.values import condition
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.stream_rows import stream_rows
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.record.read import open_run

Command = Callable[..., Ran]

FLEET = """storm: 1
name: {name}
story: Pumps of which some live for hours, and some have a clogged strainer.
duration: 1 h
warm_up: 1 min
fleet:
  devices: 12
  sites: [north, south]
  segments:
    short: {{kind: pump, share: 50 %, every: 20 s, machine: {{life_rate: 0.6 1/h, wear_at_start: 20 % .. 70 %}}}}
    sound: {{kind: pump, share: 50 %, every: 20 s, machine: {{wear_at_start: 0 % .. 20 %}}}}
broker: {{model: ideal}}
steps: [{{name: clogged, at: 20 min, fault: cavitation, target: segment=sound site=south, lasts: 25 min}}]
{more}
expect:
  - {{ledger: lost, at_most: 1 %}}
"""
WATCHED = "detectors: {wear: {model: pump-wear, horizon: 15 min, devices: 2}}"


def play(command: Command, name: str, seed: int, more: str = "") -> Path:
    """Run a scenario; the folder of its record."""
    Path(f"{name}.storm.yaml").write_text(FLEET.format(name=name, more=more))
    ran = command("run", f"{name}.storm.yaml", "--seed", str(seed), "--quiet")
    assert ran.code == 0, ran.err
    return Path("runs") / f"{name}-{seed}"


def train(command: Command, *more: str) -> Ran:
    return command("models", "train", *more, "--task", "condition", "--name", "pump-wear", "--quiet")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Fewer trees know less, sooner.
    for name in ("TYPE_ROUNDS", "HEALTH_ROUNDS", "LIFE_ROUNDS"):
        monkeypatch.setattr(condition, name, 25)
    return tmp_path


def test_conditions_from_recorded_runs_to_an_alarm(here: Path, command: Command) -> None:
    for seed in (1, 2):
        play(command, "worn", seed)
    ran = train(command, "worn-1", "--judge", "worn-2", "--horizon", "15min")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("pump-wear@1 is live: conditions by boosting on ")
    assert "it names cavitation, none, wear" in ran.out
    shown = json.loads(command("models", "show", "pump-wear", "--json").out)
    assert (shown["task"], shown["model"], shown["types"]) == ("condition", 2, ["cavitation", "none", "wear"])
    worth = shown["worth"]
    assert worth["types"]["cavitation"]["cavitation"] > 50
    assert worth["right"] > 0.8
    assert worth["recall"] > 0.5
    assert worth["health_error"] < 20.0
    assert "cavitation" in command("models", "show", "pump-wear").out
    assert "worn-1" in command("models", "list").out

    folder = play(command, "watched", 3, WATCHED)
    result = open_run(str(folder)).result
    assert result is not None
    (found,) = result.conditions
    assert (found.detector, found.model, found.horizon_s, found.devices) == ("wear", "pump-wear@1", 900.0, 12)
    assert found.judged == 12
    lives = [each.remaining_h for each in found.first]
    assert lives == sorted(lives)
    assert all(each.least_h <= each.remaining_h <= each.most_h for each in found.first)
    assert "/short-" in found.first[0].device
    alarms = [alarm for alarm in result.alarms if alarm.name == "wear"]
    assert alarms
    assert "short-" in alarms[0].says
    assert " left (" in alarms[0].says
    assert alarms[0].severity == "ticket"
    report = command("report", str(folder)).out
    assert "Condition of machines, as told" in report
    assert json.loads(command("report", str(folder), "--format", "json").out)["conditions"][0]["model"] == "pump-wear@1"
    assert (folder / "models/pump-wear/1.npz").read_bytes() == Path("models/pump-wear/1.npz").read_bytes()

    engine = build(load("watched.storm.yaml"), RunOptions(seed=3))
    engine.play()
    (row, _) = stream_rows(engine, None)
    assert (row.word, row.name, row.of) == ("models", "wear", "pump-wear@1 live, 12 of kind pump")
    assert (row.counts["judged"], row.counts["alarms"]) == (12, len(alarms))
    assert [key.name for key in row.keys] == [each.device for each in found.first[:10]]
    assert row.figure == pytest.approx(found.first[0].remaining_h, abs=1e-3)
    assert row.trouble == f"{found.failing} will fail within 15 min"

    # The same runs and the same seed: the same bytes, and the next version by the settings of the live one.
    ran = command("models", "retrain", "pump-wear", "worn-1", "--judge", "worn-2", "--horizon", "15min", "--json", "-q")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert told["evaluations"] == {"pump-wear@1": worth, "pump-wear@2": worth}
    assert Path("models/pump-wear/1.npz").read_bytes() == Path("models/pump-wear/2.npz").read_bytes()


def test_what_cannot_be_is_told(here: Path, command: Command) -> None:
    play(command, "worn", 1)
    for arguments, said in (
        (("worn-1", "--rare", "1 %"), "--rare says nothing to a model of conditions"),
        (("worn-1", "--kind", "pmup"), "did you mean `pump`?"),
        (("worn-1", "worn-1"), "worn, seed 1, is named twice take runs with other seeds"),
        (("worn-1", "--judge", "worn-1"), "is named twice"),
        (("worn-1", "--horizon", "0s"), "--horizon: `0s` is no time at all"),
        (("worn-1", "--to", "9min"), "for long enough"),
    ):
        ran = train(command, *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert said in " ".join(ran.err.split())
    ran = command("models", "train", "worn-1", "worn-1", "--name", "pumps")
    assert (ran.code, "one run teaches what is strange, not 2" in ran.err) == (2, True)
    ran = command("models", "train", "worn-1", "--name", "pumps", "--judge", "worn-1")
    assert (ran.code, "--judge is for models of conditions" in ran.err) == (2, True)

    assert train(command, "worn-1").code == 0
    judged = command("models", "evaluate", "pump-wear", "worn-1", "--json")
    assert "worn, seed 1, taught it: it looks better here than it is" in judged.err
    assert json.loads(judged.out)["model"] == "pump-wear@1"
    Path("watched.storm.yaml").write_text(
        FLEET.format(name="watched", more=WATCHED.replace("horizon", "horizn") + "\n").replace(
            "expect:", "expect:\n  - {no_alarm: wear-drift}"
        )
    )
    ran = command("check", "watched.storm.yaml")
    assert "unknown key `horizn`" in ran.err + ran.out
    assert "did you mean `horizon`?" in ran.err + ran.out
    assert "wear-drift" in ran.err + ran.out, ran
