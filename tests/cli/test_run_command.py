"""`twinstorm run`: what is asked, what is written, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
from junitparser import JUnitXml

from tests.cli.conftest import Puppet, Ran, ended, held, raised
from tests.record.recorded import EVENTS, result
from twinstorm.broker.url import Login
from twinstorm.scenarios.engine.errors import BadRequest, Unavailable
from twinstorm.scenarios.engine.run import RunOptions
from twinstorm.scenarios.language.errors import Place, Problem, ScenarioErrors, Source
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.result import RunResult
from twinstorm.scenarios.verdict import PRECEDENCE
from twinstorm.tui.cli.play import worst
from twinstorm.tui.cli.schema import schema_of


def wrong(name: str) -> ScenarioErrors:
    place = Place(Source(name, "storm: 1\n"), 1, 1, 5)
    return ScenarioErrors((Problem("S102", "unknown key `strom`", place, suggestion="storm"),))


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_options_reach_the_engine(puppet: Puppet, command: Callable[..., Ran]) -> None:
    command(
        *("run", "small-storm", "--seed", "7", "--until", "5min", "--max-wall", "1min30s", "--live", "--speed", "2"),
        *("--broker", "mqtt://127.0.0.1:1883", "--hold-open", "--yes", "--fail-fast", "--devices", "50"),
    )
    ((played, options),) = puppet.played
    assert played.fleet.devices == 50
    assert options == RunOptions(
        seed=7,
        until_us=300_000_000,
        max_wall_s=90.0,
        live=True,
        speed=2.0,
        broker_url="mqtt://127.0.0.1:1883",
        hold_open=True,
        yes=True,
        fail_fast=True,
        repeat="twinstorm run small-storm --seed 7 --devices 50 --until 5min --live --speed 2"
        " --broker mqtt://127.0.0.1:1883 --hold-open --yes",
    )


def test_tls_reaches_the_engine_and_the_repeating_command(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "small-storm", "--live", "--tls")
    assert puppet.played[0][1].tls
    assert ran.out.endswith("--seed 1 --live --tls\n")
    assert command("run", "small-storm", "--tls").code == 2


@pytest.mark.parametrize(
    ("arguments", "speed"), [([], 0.0), (["--live"], 1.0), (["--speed", "max"], 0.0), (["--speed", "10x"], 10.0)]
)
def test_speed_is_as_fast_as_it_can_unless_live(
    arguments: list[str], speed: float, puppet: Puppet, command: Callable[..., Ran]
) -> None:
    command("run", "small-storm", *arguments)
    assert puppet.played[0][1].speed == speed


def test_settings_and_their_repeating_command_survive_a_shell(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "my storm.storm.yaml", "--set", "steps.outage.lasts=5 min", "--set", "a.b=c")
    assert puppet.read == [("my storm.storm.yaml", ("steps.outage.lasts=5 min", "a.b=c"), None)]
    assert ran.out.endswith(
        "repeat: twinstorm run 'my storm.storm.yaml' --seed 1 --set 'steps.outage.lasts=5 min' --set a.b=c\n"
    )


def test_a_password_of_the_broker_is_never_printed_or_recorded(
    puppet: Puppet, command: Callable[..., Ran], tmp_path: Path
) -> None:
    login = tmp_path / "login"
    login.write_text("ana secret\nbob other\n", encoding="utf-8")
    login.chmod(0o600)
    ran = command("run", "small-storm", "--live", "--broker", "mqtt://ana@127.0.0.1:1883", "--credentials", str(login))
    options = puppet.played[0][1]
    assert options.broker_login == Login("ana", "secret")
    assert f"--broker mqtt://ana@127.0.0.1:1883 --credentials {login}" in ran.out
    assert "secret" not in ran.out + ran.err + repr(options)
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_a_password_on_the_command_line_is_refused_and_not_repeated(
    command: Callable[..., Ran], puppet: Puppet
) -> None:
    ran = command("run", "small-storm", "--live", "--broker", "mqtt://ana:secret@127.0.0.1:1883")
    assert ran.code == 2
    assert "--credentials FILE" in ran.err
    assert "secret" not in ran.out + ran.err
    assert not puppet.played


def test_name_and_password_come_from_the_environment(
    puppet: Puppet, command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINSTORM_BROKER_USER", "ana")
    monkeypatch.setenv("TWINSTORM_BROKER_PASSWORD", "secret")
    ran = command("run", "small-storm", "--live", "--broker", "mqtt://127.0.0.1")
    assert puppet.played[0][1].broker_login == Login("ana", "secret")
    assert "secret" not in ran.out + ran.err
    command("run", "small-storm", "--live", "--broker", "mqtt://bob@127.0.0.1")
    assert puppet.played[1][1].broker_login == Login("bob", "secret")


MORE = ["--live", "--broker", "mqtts://127.0.0.1"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--live", "--ca", "x"], "--ca is about a broker of yours, and there is none"),
        (["--live", "--broker", "mqtt://127.0.0.1", "--ca", "x"], "--ca, --cert and --key are about TLS"),
        ([*MORE, "--ca", "nowhere"], "--ca: there is no file nowhere"),
        ([*MORE, "--key", "open"], "--key needs the certificate"),
        ([*MORE, "--ca", "open"], "each is a file in PEM"),
        ([*MORE, "--credentials", "nowhere"], "cannot read nowhere: No such file"),
        ([*MORE, "--credentials", "open"], "others may read open: chmod 600 open"),
        ([*MORE, "--credentials", "two"], "two has 2 lines: say whose"),
        ([*MORE, "--credentials", "odd"], "a line is a name, a blank and a password"),
        (["--live", "--broker", "mqtts://eve@127.0.0.1", "--credentials", "two"], "no line, or several, for eve"),
    ],
)
def test_files_of_a_broker_are_looked_at_before_anything_runs(
    arguments: list[str], told: str, command: Callable[..., Ran], puppet: Puppet, tmp_path: Path
) -> None:
    for name, text in (("open", "ana secret"), ("two", "ana secret\nbob secret"), ("odd", "secret")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    ran = command("run", "small-storm", *arguments)
    assert ran.code == 2
    assert told in ran.err
    assert "secret" not in ran.err
    assert not puppet.played


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seed", "1", "--seeds", "1..3"], "exclude each other"),
        (["--seeds", "5..2"], "not a range"),
        (["--seeds", "many"], "--seeds 1..20"),
        (["--seeds", "1..99999999"], "more than 10,000 runs"),
        (["--vary", "fleet.devices"], "PATH=a,b,c"),
        (["--vary", "a=1"], "PATH=a,b,c"),
        (["--vary", "a=1,,2"], "PATH=a,b,c"),
        (["--vary", "a=1,1"], "twice"),
        (["--until", "300"], "write `300 s` or `5 min`"),
        (["--until", "0 s"], "no time at all"),
        (["--max-wall", "soon"], "--max-wall"),
        (["--speed", "fast"], "not a speed"),
        (["--speed", "0"], "not a speed"),
        (["--speed", "nan"], "not a speed"),
        (["--live", "--speed", "max"], "keeps wall time"),
        (["--json", "--events", "-"], "both write to standard output"),
        (["--junit", "no/such/folder.xml"], "is not a folder"),
        (["--events", "."], "it is a folder"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_runs(
    arguments: list[str], told: str, puppet: Puppet, command: Callable[..., Ran]
) -> None:
    ran = command("run", "small-storm", *arguments)
    assert ran.code == 2
    assert told in ran.err
    assert ran.err.startswith("error: ")
    assert ran.out == ""
    assert puppet.played == []


# --- how it ends ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"verdict": "held"}, 0),
        ({"verdict": "missed"}, 1),
        ({"verdict": "inconclusive"}, 3),
        ({"verdict": "held", "ended": "stopped"}, 5),
        ({"verdict": "held", "ended": "aborted"}, 5),
        ({"verdict": "missed", "ended": "interrupted"}, 130),
    ],
)
def test_the_exit_code_is_the_verdict(
    changes: dict[str, str], code: int, puppet: Puppet, command: Callable[..., Ran]
) -> None:
    puppet.ends = ended(**changes)
    assert command("run", "small-storm").code == code


def test_an_unavailable_port_is_told_with_advice(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = raised(Unavailable("port 1883", "address already in use", "Take another one: --broker"))
    ran = command("run", "small-storm")
    assert ran.code == 4
    assert ran.err.splitlines() == [
        "error: port 1883 is not available: address already in use",
        "  Take another one: --broker",
        "  what was recorded until then: twinstorm report runs/small-storm-1",
    ]


@pytest.mark.parametrize("error", [MemoryError(), OSError(28, "No space left on device", "runs/x")])
def test_no_memory_and_no_disk_are_unavailable(error: Exception, puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = raised(error)
    ran = command("run", "small-storm")
    assert ran.code == 4
    assert "Traceback" not in ran.err


def test_what_the_engine_refuses_is_usage(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = raised(BadRequest("the broker says no"))
    ran = command("run", "small-storm")
    assert (ran.code, ran.err) == (2, "error: the broker says no\n")


def test_the_record_of_a_run_that_failed_is_named_where_it_is(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = raised(Unavailable("the worker process", "it ended with code -9", ""))
    ran = command("run", "small-storm", "--out", "my runs")
    assert ran.err.endswith("twinstorm report 'my runs/small-storm-1'\n")
    assert command("report", "my runs/small-storm-1").code == 0


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]], ids=["run", "dry-run"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--broker", "mqtt://127.0.0.1"], ["--broker needs --live: a virtual run has no socket"]),
        (
            ["--broker", "mqtt://127.0.0.1", "--hold-open"],
            [
                "--broker needs --live: a virtual run has no socket",
                "--hold-open needs --live: a virtual run has no socket",
            ],
        ),
        (["--live", "--devices", "10000"], ["10,000 devices are more than one machine drives live (at most 2,000)"]),
        (["--live", "--broker", "http://127.0.0.1"], ["`http://127.0.0.1` is not a broker address"]),
        (
            ["--live", "--broker", "mqtt://broker.example", "--devices", "10000"],
            ["10,000 devices are more", "broker.example is not this machine: a storm against it needs --yes"],
        ),
        (["--live", "--hold-open", "--seeds", "1..3"], ["--hold-open is for one run, and these are 3"]),
    ],
)
def test_what_does_not_go_together_is_told_at_once_and_makes_no_folder(
    arguments: list[str],
    told: list[str],
    dry_run: list[str],
    command: Callable[..., Ran],
    puppet: Puppet,
    tmp_path: Path,
) -> None:
    ran = command("run", "small-storm", *arguments, *dry_run)
    assert ran.code == 2
    lines = ran.err.splitlines()
    assert len(lines) == len(told)
    assert all(line.startswith(f"error: {start}") for line, start in zip(lines, told, strict=True))
    assert ran.out == ""
    assert puppet.played == []
    assert not (tmp_path / "runs").exists()


def test_what_cannot_be_live_names_the_scenario_among_several(command: Callable[..., Ran], puppet: Puppet) -> None:
    ran = command("run", "a", "b", "--live", "--devices", "5000")
    assert [line.split()[1] for line in ran.err.splitlines()] == ["a:", "b:"]


def test_a_bug_leaves_its_trace_in_a_named_file(puppet: Puppet, command: Callable[..., Ran], tmp_path: Path) -> None:
    puppet.ends = raised(KeyError("no such thing"))
    ran = command("run", "small-storm")
    assert ran.code == 70
    assert "twinstorm failed: KeyError: 'no such thing'" in ran.err
    assert "Traceback" not in ran.err
    assert "runs/small-storm-1/trace.txt" in ran.err
    assert "Traceback" in (tmp_path / "runs/small-storm-1/trace.txt").read_text()
    assert open_run("last", tmp_path / "runs").about.state == "interrupted"


def test_very_verbose_also_prints_the_trace(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = raised(KeyError("no such thing"))
    assert "Traceback" in command("run", "small-storm", "-vv").err


def test_all_files_are_read_before_anything_runs(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.refuses = {"b": wrong("b.storm.yaml"), "c": wrong("c.storm.yaml")}
    ran = command("run", "a", "b", "c")
    assert ran.code == 2
    assert [name for name, *_ in puppet.read] == ["a", "b", "c"]
    assert puppet.played == []
    assert ran.err.count("error[S102]") == 2
    assert ran.out == ""


def test_of_several_runs_the_gravest_end_is_the_answer(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ends = {"a": held(), "b": raised(Unavailable("disk", "full", "")), "c": ended()}
    puppet.ends = lambda scenario, options: ends[scenario.name](scenario, options)
    ran = command("run", "a", "b", "c")
    assert ran.code == 4
    assert "HELD" in ran.out
    assert "MISSED" in ran.out


def test_a_bug_in_one_run_does_not_keep_the_next_from_running(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ends = {"a": raised(KeyError("x")), "b": held()}
    puppet.ends = lambda scenario, options: ends[scenario.name](scenario, options)
    ran = command("run", "a", "b")
    assert ran.code == 70
    assert "HELD" in ran.out


def test_the_order_of_exit_codes_is_as_documented() -> None:
    documented = [70, 143, 130, 4, 5, 1, 3, 0]
    assert list(PRECEDENCE) == documented
    for place, code in enumerate(documented):
        assert worst(documented[place:]) == code
    assert worst([0, 141, 70]) == 141


def test_fail_fast_runs_nothing_after_the_first_that_did_not_hold(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ends = {"a": held(), "b": ended(), "c": held()}
    puppet.ends = lambda scenario, options: ends[scenario.name](scenario, options)
    assert command("run", "a", "b", "c", "--fail-fast").code == 1
    assert [scenario.name for scenario, _ in puppet.played] == ["a", "b"]


def test_an_interrupted_run_is_the_last(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = ended(ended="interrupted")
    assert command("run", "a", "b").code == 130
    assert len(puppet.played) == 1


# --- what is written --------------------------------------------------------------------------------------------------


def test_json_is_exactly_the_result_and_follows_its_published_schema(
    puppet: Puppet, command: Callable[..., Ran]
) -> None:
    ran = command("run", "small-storm", "--json", "--seed", "42")
    document = ran.json()
    jsonschema.validate(document, schema_of("run"))
    told = result(report="runs/small-storm-42/report.html", repeat="twinstorm run small-storm --seed 42")
    assert document == msgspec.to_builtins(told)
    assert "MISSED 1 of 3" in ran.err


def test_quiet_json_talks_only_of_the_verdict(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "small-storm", "--json", "-q")
    assert ran.json()["verdict"] == "missed"
    assert len(ran.err.splitlines()) == 1


def test_several_runs_are_one_document_with_every_ending(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ends = {"a": held(), "b": raised(Unavailable("disk", "full", ""))}
    puppet.ends = lambda scenario, options: ends[scenario.name](scenario, options)
    document = command("run", "a", "b", "--json").json()
    jsonschema.validate(document, schema_of("runs"))
    assert document["schema"] == "twinstorm/runs/1"
    assert [(run["scenario"], run["exit_code"]) for run in document["runs"]] == [("a", 0), ("b", 4)]
    assert document["runs"][0]["run"]["verdict"] == "held"
    assert document["runs"][1]["run"] is None


def test_a_run_that_could_not_end_has_no_document(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.ends = raised(Unavailable("disk", "full", ""))
    assert command("run", "a", "--json").out == ""


def test_events_are_a_line_of_json_each(puppet: Puppet, command: Callable[..., Ran], tmp_path: Path) -> None:
    command("run", "small-storm", "--events", "events.jsonl")
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [msgspec.to_builtins(row) for row in EVENTS]


def test_events_on_standard_output_leave_it_to_them_alone(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "small-storm", "--events", "-")
    assert [json.loads(line)["kind"] for line in ran.out.splitlines()] == [row.kind for row in EVENTS]
    assert "MISSED 1 of 3" in ran.err


def test_events_on_a_full_disk_end_the_run(puppet: Puppet, command: Callable[..., Ran]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    ran = command("run", "small-storm", "--events", "/dev/full")
    assert ran.code == 4
    assert "/dev/full is not available: No space left on device" in ran.err


def test_junit_holds_every_run(puppet: Puppet, command: Callable[..., Ran], tmp_path: Path) -> None:
    command("run", "a", "b", "--junit", "junit.xml")
    document = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert [suite.name for suite in document] == ["a seed 1", "b seed 1"]
    assert document.failures == 2


def test_run_folders_are_made_where_asked(puppet: Puppet, command: Callable[..., Ran], tmp_path: Path) -> None:
    ran = command("run", "small-storm", "--out", "elsewhere/runs", "--set", "a=b")
    folder = tmp_path / "elsewhere/runs/small-storm-1"
    assert "report: elsewhere/runs/small-storm-1/report.html" in ran.out
    assert sorted(path.name for path in folder.iterdir()) == [
        "report.html",
        "report.md",
        "run.db",
        "run.json",
        "scenario.storm.yaml",
    ]
    assert open_run(str(folder)).about.repeat == "twinstorm run small-storm --seed 1 --set a=b"
    assert not (tmp_path / "runs").exists()


def test_a_place_that_cannot_be_written_is_unavailable(
    puppet: Puppet, command: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("a file")
    ran = command("run", "small-storm")
    assert ran.code == 4
    assert "runs" in ran.err
    assert puppet.played == []


# --- many runs --------------------------------------------------------------------------------------------------------

COMPARED = """\
reboot-storm  1,000 devices
  fleet.reconnect.jitter  seed  verdict  connected  outage back after s  attempts  refused  pages  run
  none                    1     MISSED     88.21 %                never     9,000    8,000      1  reboot-storm-1
  full                    1     HELD       99.95 %                   60     2,400    1,800      1  reboot-storm-1-2
"""


def test_vary_compares_side_by_side(puppet: Puppet, command: Callable[..., Ran]) -> None:
    def end(scenario: Scenario, options: RunOptions) -> RunResult:
        if "none" not in options.repeat:
            return held()(scenario, options)
        told = result()
        objective = msgspec.structs.replace(told.objectives[0], value=0.88215)
        fault = msgspec.structs.replace(told.faults[0], recovered_s=None)
        counts = {**told.counts, "attempts": 9_000, "refused": 8_000}
        return ended(objectives=[objective], faults=[fault], counts=counts)(scenario, options)

    puppet.ends = end
    ran = command("run", "reboot-storm", "--vary", "fleet.reconnect.jitter=none,full")
    assert ran.out == COMPARED
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "1 of 2: reboot-storm  seed 1  fleet.reconnect.jitter=none  MISSED",
        "2 of 2: reboot-storm  seed 1  fleet.reconnect.jitter=full  HELD",
    ]
    assert [settings for _, settings, _ in puppet.read] == [
        ("fleet.reconnect.jitter=none",),
        ("fleet.reconnect.jitter=full",),
    ]


def test_vary_and_seeds_make_a_grid(puppet: Puppet, command: Callable[..., Ran]) -> None:
    document = command("run", "a", "--vary", "x=1,2", "--vary", "y=p,q", "--seeds", "1..2,9", "--json").json()
    grid = [(run["varied"], run["seed"]) for run in document["runs"]]
    assert grid == [({"x": x, "y": y}, seed) for x in "12" for y in "pq" for seed in (1, 2, 9)]


def test_a_value_of_vary_may_hold_commas_in_brackets(puppet: Puppet, command: Callable[..., Ran]) -> None:
    command("run", "a", "--vary", "broker={model: amqtt, backlog: 5},{model: ideal}")
    assert [settings for _, settings, _ in puppet.read] == [
        ("broker={model: amqtt, backlog: 5}",),
        ("broker={model: ideal}",),
    ]


def test_one_wrong_variant_runs_nothing(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.refuses = {"a": wrong("a.storm.yaml")}
    ran = command("run", "a", "--vary", "x=1,2,3")
    assert ran.code == 2
    assert ran.err.count("error[S102]") == 1


def test_every_wrong_value_of_vary_is_told_once_under_its_option(command: Callable[..., Ran]) -> None:
    vary = ("--vary", "fleet.reconnect.jitter=none,nope,fulll", "--vary", "fleet.buffer.evict=oldest,latest")
    ran = command("run", "reboot-storm", "--dry-run", *vary)
    assert ran.code == 2
    told = [line.split()[1:] for line in ran.err.splitlines() if "-->" in line]
    assert sorted(told) == [
        ["--vary", "fleet.buffer.evict=latest", "fleet.buffer.evict"],
        ["--vary", "fleet.reconnect.jitter=fulll", "fleet.reconnect.jitter"],
        ["--vary", "fleet.reconnect.jitter=nope", "fleet.reconnect.jitter"],
    ]


@pytest.mark.parametrize("values", ["none", "none,full,equal"])
def test_a_wrong_path_of_vary_is_told_once_however_many_values_it_has(values: str, command: Callable[..., Ran]) -> None:
    ran = command("run", "reboot-storm", "--dry-run", "--vary", f"fleet.reconnect.jiter={values}")
    assert ran.err.count("error") == 1
    assert "error[S102]: unknown key `jiter`" in ran.err
    assert "--> --vary fleet.reconnect.jiter=none" in ran.err


def test_a_large_grid_is_read_no_more_often_than_it_can_tell(puppet: Puppet, command: Callable[..., Ran]) -> None:
    puppet.refuses = {"a": wrong("a.storm.yaml")}
    numbers = ",".join(map(str, range(50)))
    command("run", "a", "--vary", f"x={numbers}", "--vary", f"y={numbers}")
    assert len(puppet.read) == 99


def test_a_run_of_many_that_fails_has_a_line_in_the_table(puppet: Puppet, command: Callable[..., Ran]) -> None:
    def end(scenario: Scenario, options: RunOptions) -> RunResult:
        if options.seed == 2:
            raise Unavailable("port", "taken", "")
        return held()(scenario, options)

    puppet.ends = end
    ran = command("run", "a", "--seeds", "1..3")
    assert [line.split()[:2] for line in ran.out.splitlines()[2:]] == [["1", "HELD"], ["2", "FAILED"], ["3", "HELD"]]
    assert ran.code == 4


def test_different_scenarios_are_told_and_not_compared(puppet: Puppet, command: Callable[..., Ran]) -> None:
    ran = command("run", "a", "b")
    assert ran.out.count("repeat: twinstorm run") == 2
    assert "attempts  refused" not in ran.out
