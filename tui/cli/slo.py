"""`twinstorm slo`: objectives as other tools write them, and alert rules of their burn."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import SETTINGS, must_be_writable
from twinstorm.tui.cli.output import must_not_be_read, whole
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.language.errors import Source

_SCENARIO = click.Argument(["scenario"], metavar="SCENARIO", help="A name in the library, or a file.")
_OUT = click.Option(["--out"], type=click.Path(path_type=Path), metavar="FILE", help="Write it there; absent: print.")


@command(_SCENARIO, SETTINGS, _OUT)
def export(talk: Talk, scenario: str, settings: tuple[str, ...], out: Path | None) -> int:
    """Write objectives as OpenSLO.

    Version v1, a document for each objective. What OpenSLO cannot say is told.

    \b
      twinstorm slo export reboot-storm
      twinstorm slo export my.storm.yaml --out slo.yaml

    Exit: 0, or 2 if the scenario is wrong or OpenSLO can say none of its objectives.
    """
    from twinstorm.scenarios import openslo
    from twinstorm.scenarios.language.reader import load

    must_be_writable(out)
    must_not_be_read(out, scenario)
    made = openslo.export(load(scenario, settings))
    for note in made.notes:
        talk.complain(note)
    if not made.text:
        raise UsageError(f"`{scenario}` has no objective that OpenSLO can say", "`twinstorm check` counts objectives")
    _give(talk, made.text, out)
    return 0


@command(click.Argument(["file"], metavar="FILE", help="OpenSLO documents; -: standard input."))
def import_(talk: Talk, file: str) -> int:
    """Read OpenSLO, print the objectives.

    Reads OpenSLO v1 and prints the block `objectives:` of a scenario. Metric sources must be of type `twinstorm`: what
    a query of another system counts, nobody here knows. What has no place in a scenario is told as left out.

    \b
      twinstorm slo import slo.yaml
      twinstorm slo import slo.yaml >> my.storm.yaml

    Exit: 0, or 2 if the file is wrong or says what a scenario cannot.
    """
    from twinstorm.scenarios.openslo_reading import import_objectives

    made = import_objectives(_source(file))
    talk.data(made.text.rstrip("\n"))
    for note in made.notes:
        talk.complain(note)
    return 0


@command(
    _SCENARIO,
    SETTINGS,
    _OUT,
    click.Option(
        ["--tests"], type=click.Path(path_type=Path), metavar="FILE", help="Write unit tests of the rules for promtool."
    ),
)
def rules(talk: Talk, scenario: str, settings: tuple[str, ...], out: Path | None, tests: Path | None) -> int:
    """Write alert rules for Prometheus.

    Of every objective with `burn`: two windows at once, for each threshold. They look at the counters that `run --live
    --metrics` serves. --tests writes cases that `promtool test rules` plays; if some objectives look at seconds and
    others at days, in FILE, FILE-2 and so on: it plays each file at one pace.

    \b
      twinstorm slo rules my.storm.yaml --out rules.yml --tests rules-test.yml
      promtool test rules rules-test.yml
      twinstorm slo rules reboot-storm --set objectives.connected.burn=30d

    Exit: 0, or 2 if the scenario is wrong or has no burn alarm that can come.
    """
    from twinstorm.scenarios.alert_rule_tests import unit_tests
    from twinstorm.scenarios.alert_rules import alerts_of, rules_text
    from twinstorm.scenarios.burning import out_of_reach_notes
    from twinstorm.scenarios.language.reader import load

    for path in (out, tests):
        must_be_writable(path)
        must_not_be_read(path, scenario)
    if tests is not None and out is None:
        raise UsageError("tests name the file of their rules", "write that as well: --out rules.yml")
    read = load(scenario, settings)
    for note in out_of_reach_notes(read):
        talk.complain(note)
    alerts = alerts_of(read)
    if not alerts:
        some = read.objectives[0].name if read.objectives else "NAME"
        raise UsageError(f"`{scenario}` has no burn alarm that can come", f"try: --set objectives.{some}.burn=30d")
    _give(talk, rules_text(read, alerts), out)
    if tests is not None and out is not None:
        for number, text in enumerate(unit_tests(alerts, os.path.relpath(out, tests.parent)), 1):
            _give(talk, text, tests if number == 1 else tests.with_stem(f"{tests.stem}-{number}"))
    return 0


def _give(talk: Talk, text: str, out: Path | None) -> None:
    if out is None:
        talk.data(text.rstrip("\n"))
        return
    with whole(out) as sink:
        sink.write(text)
    talk.say(f"written: {out}")


def _source(file: str) -> Source:
    from twinstorm.scenarios.language.errors import Source
    from twinstorm.scenarios.language.nodes import MOST_BYTES

    try:
        if file == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}") from None
    except IsADirectoryError:
        raise UsageError(f"{file} is a folder", "name a file in it") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{file} is larger than {MOST_BYTES:,} bytes", "look whether this is the right file")
    try:
        return Source("standard input" if file == "-" else file, data.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8") from None


slo = click.Group(
    "slo",
    commands={one.name: one for one in (export, import_, rules) if one.name},
    no_args_is_help=True,
    help="""Objectives for other tools.

    \b
      twinstorm slo export my.storm.yaml --out slo.yaml
      twinstorm slo import slo.yaml
      twinstorm slo rules my.storm.yaml --out rules.yml --tests rules-test.yml

    OpenSLO v1 both ways, and alert rules for Prometheus with their unit tests.
    """,
)
