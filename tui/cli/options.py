"""Options that several commands take. Those that every command takes are in `command`."""

from __future__ import annotations

from pathlib import Path

import click

SCENARIOS = click.Argument(
    ["scenarios"], nargs=-1, required=True, metavar="SCENARIO...", help="Names in the library, or files."
)
SETTINGS = click.Option(
    ["--set", "settings"], multiple=True, metavar="PATH=VALUE", help="Change a value of the file. Repeatable."
)
DEVICES = click.Option(["--devices"], type=click.IntRange(min=1), metavar="N", help="Size of the fleet.")
OUT = click.Option(
    ["--out"],
    type=click.Path(path_type=Path),
    default=Path("runs"),
    metavar="DIR",
    help="Where run folders are made.",
)
JSON = click.Option(["--json"], is_flag=True, help="One document on standard output.")
