"""`twinstorm run`: play scenarios without a screen and answer with a verdict."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from twinstorm.tui.cli.command import PIPE_CLOSED, UsageError, command
from twinstorm.tui.cli.live_options import LIVE, LIVE_OPTIONS, YES, LiveAsked, read_speed
from twinstorm.tui.cli.options import (
    DEVICES,
    OUT,
    SCENARIOS,
    SEED,
    SETTINGS,
    WEBHOOK_KEY,
    must_be_writable,
    read_duration,
    webhook_of,
)
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.run import RunOptions
    from twinstorm.scenarios.result import Sink
    from twinstorm.scenarios.webhook import Webhook
    from twinstorm.tui.cli.cases import Case
    from twinstorm.tui.cli.play import Outcome


@command(
    SCENARIOS,
    click.Option(["--seed"], type=SEED, metavar="N", help="Of all chance in the run; 1 if absent."),
    click.Option(["--seeds"], metavar="1..20", help="One run a seed."),
    SETTINGS,
    click.Option(
        ["--vary"],
        multiple=True,
        metavar="PATH=a,b,c",
        help="One run a value, and a table that compares them. Repeatable.",
    ),
    DEVICES,
    click.Option(["--until"], metavar="30min", help="Stop at this simulated time."),
    click.Option(["--max-wall"], metavar="10min", help="Stop after this wall time; exit 5."),
    LIVE,
    click.Option(["--speed"], metavar="10|max", help="Simulated seconds a second: max, or live 1, if absent."),
    *LIVE_OPTIONS,
    click.Option(["--hold-open"], is_flag=True, help="With --live: let other clients in, until Ctrl+C."),
    YES,
    click.Option(["--dry-run"], is_flag=True, help="Show the plan and the devices reached; run nothing."),
    click.Option(["--json"], is_flag=True, help="One document on standard output: `schema run`."),
    click.Option(["--events"], metavar="FILE", help="A line of JSON for every event; - is standard output."),
    click.Option(["--junit"], type=click.Path(path_type=Path), metavar="FILE", help="Findings as JUnit XML."),
    click.Option(["--metrics"], metavar="127.0.0.1:PORT", help="Serve OpenMetrics at /metrics while it runs."),
    click.Option(["--webhook"], metavar="URL", help="Send alarms there while it runs, as Alertmanager does."),
    WEBHOOK_KEY,
    OUT,
    click.Option(["--fail-fast"], is_flag=True, help="No further run after one that did not hold."),
)
def run(
    talk: Talk,
    scenarios: tuple[str, ...],
    seed: int | None,
    seeds: str | None,
    settings: tuple[str, ...],
    vary: tuple[str, ...],
    devices: int | None,
    until: str | None,
    max_wall: str | None,
    live: bool,
    speed: str | None,
    broker: str | None,
    credentials: Path | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    tls: bool,
    max_connects_per_s: int | None,
    hold_open: bool,
    yes: bool,
    dry_run: bool,
    json: bool,
    events: str | None,
    junit: Path | None,
    metrics: str | None,
    webhook: str | None,
    webhook_key: Path | None,
    out: Path,
    fail_fast: bool,
) -> int:
    """Run scenarios and judge them.

    \b
      twinstorm run reboot-storm
      twinstorm run my.storm.yaml --seed 42 --until 30min
      twinstorm run reboot-storm --set fleet.reconnect.jitter=none
      twinstorm run reboot-storm --vary fleet.reconnect.jitter=none,equal,full,decorrelated
      twinstorm run *.storm.yaml --seeds 1..20 --junit junit.xml --fail-fast
      twinstorm run reboot-storm --live --devices 200
      twinstorm run reboot-storm --live --devices 200 --metrics 127.0.0.1:9464
      twinstorm run reboot-storm --live --devices 200 --webhook http://127.0.0.1:9000/alarms
      twinstorm run reboot-storm --live --tls --devices 100
      twinstorm run reboot-storm --live --devices 100 --broker mqtts://127.0.0.1:8883 --ca ca.pem --credentials login

    Exit: 0 all held, 1 missed, 2 command line or scenario wrong, 3 inconclusive, 4 port, disk or memory unavailable,
    5 stopped early, 70 a bug, 130 interrupted, 141 reader gone, 143 terminated.
    """
    from twinstorm.scenarios.engine.memory import refuse_what_cannot_fit
    from twinstorm.tui.cli.cases import Asked, read_cases, read_seeds

    if json and events == "-":
        raise UsageError("--json and --events - both write to standard output", "give --events a file")
    for path in (None if events == "-" else events, junit):
        must_be_writable(path)
    speed_x = read_speed(speed, live, absent=0.0)
    how = LiveAsked(live, broker, credentials, ca, cert, key, tls, max_connects_per_s, yes, hold_open)
    extra = [*(["--until", until] if until else []), *how.words(speed)]
    asked = Asked(scenarios, read_seeds(seed, seeds), settings, vary, devices, extra)
    until_us, max_wall_us = read_duration("--until", until), read_duration("--max-wall", max_wall)
    cases = read_cases(asked)
    hook = None if webhook is None else webhook_of(webhook, webhook_key, anywhere=yes)
    _refuse_what_does_not_go_together(cases, how, speed_x)
    login, broker_tls = how.access()
    for case in cases:
        refuse_what_cannot_fit(case.scenario)
    if dry_run:
        from twinstorm.tui.cli.plan import show_plans

        return show_plans(talk, cases, until_us, json)

    from twinstorm.scenarios.engine.run import RunOptions

    options = RunOptions(
        until_us=until_us,
        max_wall_s=None if max_wall_us is None else max_wall_us / 1e6,
        live=live,
        speed=speed_x,
        broker_url=broker,
        broker_login=login,
        broker_tls=broker_tls,
        max_connects_per_s=max_connects_per_s,
        tls=tls,
        hold_open=hold_open,
        yes=yes,
        fail_fast=fail_fast,
        invite=talk.complain,
    )
    from twinstorm.tui.cli.play import hold_open_until_interrupted

    with ExitStack() as open_brokers:
        told = _serve(talk, metrics, open_brokers)
        outcomes = _play_all(talk, cases, options, out, json, events, told, open_brokers, hook)
        code = _answer(talk, outcomes, len(cases) > 1, json, events, junit)
        # Only now, when everything has been told: who holds a broker open ends it by leaving.
        for outcome in outcomes:
            hold_open_until_interrupted(outcome, talk)
    return code


def _refuse_what_does_not_go_together(cases: list[Case], how: LiveAsked, speed: float) -> None:
    """Before the first folder is made; all reasons of all cases, each once."""
    from twinstorm.scenarios.engine.errors import BadRequest

    several = len({case.scenario.name for case in cases}) > 1
    found = [
        f"{case.scenario.name}: {problem}" if several and how.live else problem
        for case in cases
        for problem in how.problems(case.scenario, speed)
    ]
    if how.hold_open and len(cases) > 1:
        found.append(f"--hold-open is for one run, and these are {len(cases):,}")
    if found:
        raise BadRequest("\n".join(dict.fromkeys(found)))


def _serve(talk: Talk, address: str | None, stack: ExitStack) -> list[Sink]:
    """What tells metrics, if somebody asked for them."""
    if address is None:
        return []
    from twinstorm.scenarios.metrics import Metrics, MetricsServer, address_of

    try:
        _, port = address_of(address)
    except ValueError as error:
        raise UsageError(f"--metrics: {error}") from error
    metrics = Metrics()
    server = MetricsServer(metrics, port)
    stack.callback(server.close)
    talk.say(f"metrics at http://{server.address}/metrics")
    return [metrics]


def _play_all(
    talk: Talk,
    cases: list[Case],
    options: RunOptions,
    out: Path,
    json: bool,
    events: str | None,
    told: list[Sink],
    open_brokers: ExitStack,
    hook: Webhook | None,
) -> list[Outcome]:
    from twinstorm.scenarios.record.event_lines import EventLines
    from twinstorm.tui.cli.play import Style, play

    style = Style(story=not _alike(cases) or talk.verbose > 0, on_out=not json and events != "-")
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        sinks: list[Sink] = [*told]
        if events is not None:
            sinks.append(EventLines(_open_events(talk, events, stack), "standard output" if events == "-" else events))
        for case in cases:
            one = replace(options, seed=case.seed, repeat=case.repeat)
            outcomes.append(play(case, one, out, sinks, talk, style, hook))
            if (run := outcomes[-1].run) is not None:
                open_brokers.callback(run.close)
            if outcomes[-1].code in (130, PIPE_CLOSED, 143) or (options.fail_fast and outcomes[-1].code):
                break
            if not style.story:
                talk.say(f"{len(outcomes)} of {len(cases)}: {_label(outcomes[-1])}")
    return outcomes


def _answer(
    talk: Talk, outcomes: list[Outcome], several: bool, json: bool, events: str | None, junit: Path | None
) -> int:
    """What is told when all runs are over."""
    from twinstorm.tui.cli.comparison import compared
    from twinstorm.tui.cli.documents import document
    from twinstorm.tui.cli.play import worst

    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    if junit is not None and results:
        from twinstorm.scenarios.record.folder import write_whole
        from twinstorm.scenarios.reports.junit import junit as as_junit

        write_whole(junit, as_junit(results))
    if json:
        text = document(outcomes, several)
        if text:
            talk.data(text)
    elif _alike([outcome.case for outcome in outcomes]):
        on_out = events != "-"
        for line in compared(outcomes, talk.color_out if on_out else talk.color_err):
            (talk.data if on_out else talk.complain)(line)
    return worst([outcome.code for outcome in outcomes])


def _alike(cases: list[Case]) -> bool:
    """Runs of one scenario that differ in seed or settings: they are compared, not told."""
    names = [case.scenario.name for case in cases]
    return len(names) > len(set(names))


def _label(outcome: Outcome) -> str:
    from twinstorm.tui.cli.comparison import verdict_word

    varied = "".join(f"  {path}={value}" for path, value in outcome.case.varied)
    return f"{outcome.case.scenario.name}  seed {outcome.case.seed}{varied}  {verdict_word(outcome)}"


def _open_events(talk: Talk, name: str, stack: ExitStack) -> BinaryIO:
    if name == "-":
        return talk.out.buffer
    return stack.enter_context(Path(name).open("wb", buffering=0))
