"""`twinstorm explain`: a page on a fault, an SLI, an error code, a state, a form of expectation, and so on."""

from __future__ import annotations

from typing import Annotated

import typer

from twinstorm.tui.cli.command import UsageError
from twinstorm.tui.cli.talk import Talk


def explain(
    talk: Talk,
    topic: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC]", help="A name as it stands in a scenario, message or screen."),
    ] = None,
) -> int:
    """Explain a name or a part of the language.

    Faults, SLIs, alarms, machines, error codes, states, forms of expectations, the protocol and more.

    \b
      twinstorm explain                   what there is to explain
      twinstorm explain power-outage
      twinstorm explain freshness
      twinstorm explain S201
      twinstorm explain expectations
    """
    from twinstorm.tui.cli.pages import groups, page_of

    name = " ".join(topic or [])
    if not name:
        for group, names in groups().items():
            talk.data(f"{group}: {', '.join(names)}")
        return 0
    page = page_of(name)
    if page is None:
        from twinstorm.scenarios.language.errors import closest, quoted

        close = closest(name, [each for names in groups().values() for each in names])
        raise UsageError(
            f"nothing is known about {quoted(name)}",
            f"did you mean `{close}`?" if close else "twinstorm explain lists everything there is to explain",
        )
    talk.data(page)
    return 0
