"""`twinstorm schema`: JSON Schemas, for editors and for whoever reads our documents."""

from __future__ import annotations

from typing import Any

import click

from twinstorm.tui.cli.command import command
from twinstorm.tui.cli.talk import Talk

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@command(
    click.Argument(
        ["what"],
        type=click.Choice(["scenario", "run", "runs", "plan"]),
        default="scenario",
        help="The language, if absent, or a document of run --json.",
    )
)
def schema(talk: Talk, what: str) -> int:
    """Print a JSON Schema.

    \b
      twinstorm schema > twinstorm.schema.json     the scenario language, for editors
      twinstorm schema run                         the document of run --json
      twinstorm schema runs                        the same with several scenarios, seeds or --vary
      twinstorm schema plan                        the document of run --dry-run --json
    """
    import msgspec

    talk.data(msgspec.json.format(msgspec.json.encode(schema_of(what)), indent=2).decode())
    return 0


def schema_of(what: str) -> dict[str, Any]:
    """The schema as a document of its own."""
    if what == "scenario":
        from twinstorm.scenarios.language.json_schema import json_schema

        return json_schema()
    import msgspec

    if what == "run":
        from twinstorm.scenarios.result import RunResult

        described: type[msgspec.Struct] = RunResult
    elif what == "runs":
        from twinstorm.tui.cli.documents import Runs

        described = Runs
    else:
        from twinstorm.tui.cli.plan import Plans

        described = Plans
    return {"$schema": DIALECT, **msgspec.json.schema(described)}
