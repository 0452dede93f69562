"""`twinstorm models`: the life of a model as somebody types it, from a recorded run to the next version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, invoke
from twinstorm.scenarios.models.manifest import NoSuchModel, find
from twinstorm.scenarios.models.store import load
from twinstorm.scenarios.record.read import open_run

Command = Callable[..., Ran]

FLEET = """storm: 1
name: {name}
story: Pumps of which some have a clogged strainer.
duration: {hours} h
warm_up: 10 min
fleet:
  devices: 10
  sites: [north, south]
  segments:
    pumps: {{kind: pump, share: 80 %, every: 30 s}}
    rooms: {{kind: environment, share: 20 %, every: 60 s}}
broker: {{model: ideal}}
{more}
expect:
  - {{ledger: lost, at_most: 1 %}}
"""
CLOGGED = "steps: [{name: clogged, at: 70 min, fault: cavitation, target: site=south kind=pump, lasts: 30 min}]"
BOTH = """detectors:
  pump-watch: {{model: {live}}}
  pump-next: {{model: {next}, shadow: true}}
"""


def play(command: Command, name: str, more: str = "", hours: int = 2) -> Path:
    """Run a scenario; the folder of its record."""
    Path(f"{name}.storm.yaml").write_text(FLEET.format(name=name, hours=hours, more=more))
    ran = command("run", f"{name}.storm.yaml", "--quiet")
    assert ran.code == 0, ran.err
    return Path("runs") / f"{name}-1"


def train(command: Command, run: str, *more: str) -> str:
    ran = command("models", "train", run, "--name", "pumps", "--kind", "pump", "--level", "20", "--quiet", *more)
    assert ran.code == 0, ran.err
    return ran.out


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of two runs that many tests begin with: `calm`, of an hour, and `trouble`, of two with a fault."""
    folder = tmp_path_factory.mktemp("played")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        play(invoke, "calm", hours=1)
        play(invoke, "trouble", CLOGGED)
    return folder / "runs"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, played: Path) -> Path:
    """A folder in which `calm` has been played."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(played / "calm-1", "runs/calm-1")
    return tmp_path


@pytest.fixture
def trouble(here: Path, played: Path) -> None:
    """So has `trouble`."""
    shutil.copytree(played / "trouble-1", "runs/trouble-1")


def test_a_model_has_a_life(trouble: None, command: Command) -> None:
    assert train(command, "calm-1").startswith("pumps@1 is live: pyod:PCA on ")

    # The same run and the same seed: the same bytes.
    again = train(command, "calm-1", "--store", "other")
    assert again == train(command, "calm-1", "--store", "third")
    files = ["1.json", "1.npz", "state.json"]
    for name in files:
        assert Path("models/pumps", name).read_bytes() == Path("third/pumps", name).read_bytes()
    assert sorted(path.name for path in Path("models/pumps").iterdir()) == files

    told = json.loads(command("models", "evaluate", "pumps", "trouble-1", "--json", "--quiet").out)
    assert (told["model"], told["faults"], told["found"], told["recall"]) == ("pumps@1", 1, 1, 1.0)
    assert told["devices"] == 8
    assert told["precision"] == round(told["caused"] / told["alarms"], 4)

    ran = command("models", "retrain", "pumps", "trouble-1", "--quiet")
    assert ran.code == 0, ran.err
    assert "pumps@2: pyod:PCA on " in ran.out
    assert "rows of faults left out" in ran.out
    assert "to let it be the live one: twinstorm models promote pumps@2" in ran.out
    shown = json.loads(command("models", "show", "pumps@2", "--json").out)
    assert shown["parent"] == 1
    assert shown["trained"]["left_out"] > 100
    assert shown["evaluation"]["recall"] == 1.0
    assert shown["created"].startswith("2030-01-07T01:59:")

    assert json.loads(command("models", "list", "--json").out) == [{"name": "pumps", "live": [1], "versions": [1, 2]}]
    assert command("models", "promote", "pumps@2").out == "pumps@2 is live\n"
    assert "no version" not in command("models", "list").out
    assert "is live already" in command("models", "promote", "pumps@2").err
    assert command("models", "rollback", "pumps").out == "pumps@1 is live\n"
    refused = command("models", "rollback", "pumps")
    assert (refused.code, "no version of `pumps` was live before pumps@1" in refused.err) == (2, True)
    assert "pumps@1 is live" in command("models", "delete", "pumps@1").err
    assert command("models", "delete", "pumps@2").code == 0
    # A number is given once.
    assert train(command, "calm-1", "--detector", "pyod:HBOS").startswith("pumps@3: pyod:HBOS")


def test_a_model_of_features_of_minutes_is_asked_for_and_a_run_plays_with_it(here: Path, command: Command) -> None:
    assert train(command, "calm-1", "--features", "minutes").startswith("pumps@1 is live: pyod:PCA on ")
    shown = json.loads(command("models", "show", "pumps", "--json").out)
    assert {"flow_m3_h.spikes_15min", "power_kw.lag_10", "power_kw.max_1min", "power_kw.delta"} <= set(
        shown["features"]
    )
    assert "flow_m3_h*suction_pressure_bar" in shown["features"]
    assert shown["features"][-2:] == ["hour", "weekday"]
    # A quarter of an hour of a reading every 30 s; in the parameters too, so that a version is one file of numbers.
    assert (shown["held"], load(find(Path("models"), "pumps")).held) == (31, 31)
    assert "from flow_m3_h.value to weekday" in command("models", "show", "pumps").out

    folder = play(command, "trouble", CLOGGED + "\ndetectors: {pump-watch: {model: pumps}}")
    result = open_run(str(folder)).result
    assert result is not None
    assert [(each.detector, each.model, each.devices) for each in result.models] == [("pump-watch", "pumps@1", 8)]
    found = [alarm.fault for alarm in result.alarms if alarm.name == "pump-watch"]
    assert found
    assert set(found) == {"clogged"}
    ran = command("models", "retrain", "pumps", "trouble-1", "--quiet")
    assert ran.code == 0, ran.err
    assert json.loads(command("models", "show", "pumps@2", "--json").out)["held"] == 31

    refused = command("models", "train", "calm-1", "--name", "pumps", "--features", "minuts")
    assert refused.code == 2
    assert "'minuts' is not one of 'rows', 'minutes'" in refused.err
    refused = command(
        "models", "train", "calm-1", "--name", "worn", "--task", "condition", "--features", "minutes", "--kind", "pump"
    )
    assert (refused.code, "--features says nothing to a model of conditions" in refused.err) == (2, True)


def test_two_versions_look_at_once_and_the_record_needs_no_store(here: Path, command: Command) -> None:
    train(command, "calm-1")
    train(command, "calm-1", "--detector", "pyod:HBOS")
    both = CLOGGED + "\n" + BOTH.format(live="pumps", next="pumps@2")
    folder = play(command, "trouble", both)
    result = open_run(str(folder)).result
    assert result is not None
    used = [(each.detector, each.model, each.learnt_by, each.shadow, each.devices) for each in result.models]
    assert used == [
        ("pump-next", "pumps@2", "pyod:HBOS", True, 8),
        ("pump-watch", "pumps@1", "pyod:PCA", False, 8),
    ]
    manifest = json.loads(Path("models/pumps/1.json").read_text())
    assert result.models[1].parameters == manifest["parameters"]
    raised = [alarm for alarm in result.alarms if alarm.name != "pump-watch-drift"]
    assert {alarm.name for alarm in raised} == {"pump-watch"}
    assert {alarm.name for alarm in result.shadows} == {"pump-next"}
    assert any(alarm.fault == "clogged" for alarm in raised)

    for name in ("1.json", "1.npz", "2.json", "2.npz"):
        assert (folder / "models/pumps" / name).read_bytes() == Path("models/pumps", name).read_bytes()
    shutil.rmtree("models")
    scored = command("score", "trouble-1").out
    assert "detector pump-watch" in scored
    assert "shadow pump-next" in scored
    assert command("score", "trouble-1", "--control").code == 0
    report = (folder / "report.html").read_text()
    assert "pump-next, in the shadow" in report
    assert "pumps@2" in report
    # The record itself is a store: it can be judged with what it used.
    kept = command("models", "evaluate", "pumps@1", "trouble-1", "--store", str(folder / "models"), "--quiet")
    assert kept.code == 0, kept.err


def test_a_fleet_that_is_another_one_raises_one_ticket(here: Path, command: Command) -> None:
    train(command, "calm-1", "--level", "0")
    other = "detectors: {pump-watch: {model: pumps, threshold: 1000}}"
    asked = "  - {alarm: pump-watch-drift, severity: ticket}"
    text = FLEET.format(name="other", hours=2, more=other).replace("devices: 10", "devices: 60") + asked + "\n"
    Path("other.storm.yaml").write_text(text)
    ran = command("run", "other.storm.yaml", "--seed", "7", "--quiet")
    assert ran.code == 0, ran.out + ran.err
    result = open_run("last").result
    assert result is not None
    (ticket,) = [alarm for alarm in result.alarms if alarm.name == "pump-watch-drift"]
    assert (ticket.severity, ticket.devices, ticket.group, ticket.fault) == ("ticket", 0, "kind=pump", None)
    (incident,) = [each for each in result.incidents if "pump-watch-drift" in each.alarms]
    assert "twinstorm models retrain pumps RUN" in incident.title
    assert any("the fleet has left what the model pumps@1 learnt" in note for note in result.notes)
    # It is about no device: nobody is to blame for it in the scores.
    assert "pump-watch-drift" not in command("score", "last").out
    assert "drift: " in command("models", "evaluate", "pumps", "other-7", "--quiet").out


def test_what_cannot_be_is_told(here: Path, command: Command) -> None:
    assert "there is no model in models" in command("models", "show", "pumps").err
    for options, said in (
        (("--name", "Pumps", "--kind", "pump"), "`Pumps` names no model"),
        (("--name", "pumps@2", "--kind", "pump"), "cannot be the name of a model"),
        (("--name", "pumps"), "which kind? this run has environment, pump"),
        (("--name", "pumps", "--kind", "pmup"), "did you mean `pump`?"),
        (("--name", "pumps", "--kind", "pump", "--detector", "pyod:PAC"), "did you mean `pyod:PCA`?"),
        (("--name", "pumps", "--kind", "pump", "--channels", "flow_m3"), "did you mean `flow_m3_h`?"),
        (("--name", "pumps", "--kind", "pump", "--rare", "0.1"), "--rare"),
        (("--name", "pumps", "--kind", "pump", "--from", "59min"), "healthy rows of `pump` are too few"),
    ):
        refused = command("models", "train", "calm-1", *options)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    assert not Path("models").exists()

    train(command, "calm-1")
    assert "did you mean `pumps`?" in command("models", "evaluate", "pmups", "calm-1").err
    assert "there are pumps@1" in command("models", "evaluate", "pumps@4", "calm-1").err
    assert "runs: calm-1" in command("models", "evaluate", "pumps", "clam-1").err


def test_parameters_that_are_not_those_of_the_manifest_are_refused(here: Path, command: Command) -> None:
    train(command, "calm-1")
    train(command, "calm-1", "--rare", "5 %")
    shutil.copy("models/pumps/2.npz", "models/pumps/1.npz")
    refused = command("models", "show", "pumps@1")
    assert (refused.code, "its digest is another" in refused.err) == (2, True)
    Path("watch.storm.yaml").write_text(FLEET.format(name="watch", hours=1, more="detectors: {a: {model: pumps@1}}"))
    ran = command("run", "watch.storm.yaml")
    assert ran.code == 4, ran.err
    assert not Path("runs/watch-1").exists()
    assert "its digest is another" in ran.err
    Path("models/pumps/1.npz").write_bytes(b"PK nothing")
    assert "cannot be read" in command("models", "show", "pumps@1").err


def test_a_run_that_its_alarms_end_or_with_rules_of_its_own_judges_like_others(trouble: None, command: Command) -> None:
    train(command, "calm-1")
    more = CLOGGED + "\nroutes: {evaluated: {when: flow_m3_h > 1, to: alarm}}\ndetectors: {silence: {}}\n"
    Path("ended.storm.yaml").write_text(
        FLEET.format(name="ended", hours=2, more=more + "stop_when: {when: alarms > 1000}")
    )
    assert command("run", "ended.storm.yaml", "--quiet").code == 0
    plain, ended = (
        json.loads(command("models", "evaluate", "pumps", run, "--json", "--quiet").out)
        for run in ("trouble-1", "ended-1")
    )
    assert {**plain, "scenario": "", "digest": ""} == {**ended, "scenario": "", "digest": ""}


def test_a_version_that_is_gone_leaves_no_step_back_to_itself(here: Path, command: Command) -> None:
    train(command, "calm-1")
    train(command, "calm-1", "--detector", "pyod:HBOS")
    for label in ("pumps@2", "pumps@1"):
        assert command("models", "promote", label).code == 0
    assert command("models", "delete", "pumps@2").code == 0
    assert command("models", "rollback", "pumps").code == 2


def test_what_a_wrong_clock_dates_elsewhere_is_no_healthy_row(here: Path, command: Command) -> None:
    ill = """steps:
  - {name: wrong, at: 20 min, fault: clock-jump, target: kind=pump, lasts: 30 min, with: {by: 40 min}}
"""
    folder = play(command, "shifted", ill)
    out = train(command, str(folder))
    assert "pumps@1" in out
    shown = json.loads(command("models", "show", "pumps@1", "--json").out)
    trained = shown["trained"]
    # Of 110 minutes after the warm-up half an hour, and its aftermath, is nobody's: neither when it came, nor as dated.
    assert trained["of_rows"] <= 8 * 2 * 80
    assert trained["left_out"] + trained["of_rows"] <= 8 * 2 * 110


def test_parameters_that_are_damaged_are_no_model(here: Path, command: Command) -> None:
    train(command, "calm-1")
    path, stored = Path("models/pumps/1.npz"), find(Path("models"), "pumps")
    whole = bytearray(path.read_bytes())
    refused = 0
    for place in [*range(400), *range(400, len(whole), len(whole) // 200), *range(len(whole) - 200, len(whole))]:
        damaged = whole.copy()
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            load(stored)
        except NoSuchModel:
            refused += 1
    assert refused > 300
    path.write_bytes(whole)
    assert load(stored).kind == "pump"
