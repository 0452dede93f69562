"""`twinstorm list`: what there is to use by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from twinstorm.scenarios.reports.color import paint
from twinstorm.tui.cli.command import command
from twinstorm.tui.cli.options import JSON
from twinstorm.tui.cli.talk import Talk
from twinstorm.twin.plugins import PluginError


@command(
    click.Argument(
        ["kind"],
        type=click.Choice(["scenarios", "faults", "machines", "detectors", "slis"]),
        default="scenarios",
        help="What to list; scenarios if absent.",
    ),
    JSON,
)
def list_(talk: Talk, kind: str, json: bool) -> int:
    """List what can be used by name.

    Scenarios of the library, faults, machines, detectors, SLIs.

    \b
      twinstorm list
      twinstorm list faults
    """
    things = listed(kind)
    if json:
        import msgspec

        document = {
            "schema": "twinstorm/list/1",
            "kind": kind,
            "things": [{"name": name, "summary": line} for name, line in things.items()],
        }
        talk.data(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        return 0
    width = max((len(name) for name in things), default=0)
    for name, line in things.items():
        talk.data(f"{paint(name, 'bold', talk.color_out)}{' ' * (width - len(name))}  {line}".rstrip())
    if kind == "scenarios":
        talk.say("twinstorm run NAME plays one; an argument with a / or ending in .yaml is a file")
    else:
        talk.say("twinstorm explain NAME tells more")
    return 0


def listed(kind: str) -> Mapping[str, str]:
    """Name to a line about it."""
    from twinstorm.scenarios.language import catalogue

    if kind == "scenarios":
        return _scenarios()
    if kind == "faults":
        return {name: _summary(fault) for name, fault in catalogue.faults().tried().items()}
    if kind == "machines":
        kinds = catalogue.kinds()
        return {name: catalogue.KINDS.get(name) or _summary(kinds.tried_one(name)) for name in kinds}
    if kind == "detectors":
        return {
            name: catalogue.ALARMS.get(name) or _summary(catalogue.detectors_like(name).tried_one(name))
            for name in catalogue.detectors()
        }
    return {name: sli.summary for name, sli in catalogue.SLIS.items() if not sli.is_later}


def _summary(found: Any) -> str:
    """The line of a plug-in about itself, or why it cannot be used."""
    return f"cannot be used: {found.what}" if isinstance(found, PluginError) else str(found.summary)


def _scenarios() -> Mapping[str, str]:
    from twinstorm.scenarios.language.reader import library_names, load

    found = {}
    for name in library_names():
        scenario = load(name)
        found[name] = scenario.title or first_sentence(scenario.story)
    return found


def first_sentence(text: str) -> str:
    """Up to the first full stop that ends a sentence.

    Example:
        >>> first_sentence("Firmware 2.5.0 leaks. A gate stops it.")
        'Firmware 2.5.0 leaks.'
    """
    flat = " ".join(text.split())
    head, stop, _ = flat.partition(". ")
    return head + "." if stop else flat
