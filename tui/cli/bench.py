"""`twinstorm bench`: figures of this machine, from the benchmarks of a checkout."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from twinstorm.scenarios.reports.color import paint
from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import JSON
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from twinstorm.tui.cli.bench_result import Result

PATH = click.Path(path_type=Path)
BENCH_SCHEMA = "twinstorm/bench/1"


@command(
    click.Argument(["name"], required=False, metavar="[NAME]", help="Of a benchmark; absent: list them."),
    click.Argument(["pieces"], nargs=-1, metavar="[PIECE...]", help="Of it, if it has such; absent: all."),
    click.Option(["--quick"], is_flag=True, help="Where a benchmark can: smaller and shorter, and rough."),
    click.Option(["--data"], type=PATH, metavar="DIR", help="For those on public data: where that is."),
    click.Option(["--out"], type=PATH, metavar="PATH", help="For those: where to write what they found."),
    JSON,
)
def bench(
    talk: Talk,
    name: str | None,
    pieces: tuple[str, ...],
    quick: bool,
    data: Path | None,
    out: Path | None,
    json: bool,
) -> int:
    """Measure this machine beside a peer.

    \b
      twinstorm bench              the names there are
      twinstorm bench world
      twinstorm bench world --json
      twinstorm bench wire broker steady --quick
      twinstorm bench nab --data ~/NAB/data --out scores

    Works in a checkout of twinstorm, whose benchmarks/ it runs. Exit: 1 if a required figure is missed.
    """
    folder = checkout_folder()
    if folder is None:
        raise UsageError("there are no benchmarks here", "they are part of a checkout of twinstorm, not of the package")
    names = benchmark_names(folder)
    if name is None:
        for each in names:
            talk.data(each)
        return 0
    if name not in names:
        from twinstorm.scenarios.language.errors import closest

        close = closest(name, names)
        raise UsageError(
            f"no benchmark `{name}`", f"did you mean `{close}`?" if close else f"benchmarks: {', '.join(names)}"
        )
    results = []
    for result in measured(folder, name, pieces, quick, data, out):
        results.append(result)
        if talk.progress:
            # A benchmark may take half an hour.
            talk.say(f"measured: {' '.join(table([result], color=False)[0].split())}")
    if json:
        talk.data(document(results))
    else:
        for line in table(results, talk.color_out):
            talk.data(line)
    return 1 if any(result.met is False for result in results) else 0


def checkout_folder() -> Path | None:
    """`benchmarks/` of the checkout that this package runs from, or of the one we stand in."""
    import twinstorm.tui

    for root in (Path(twinstorm.tui.__path__[0]).resolve().parent, Path.cwd()):
        project = root / "pyproject.toml"
        if (root / "benchmarks").is_dir() and project.is_file() and 'name = "twinstorm"' in project.read_text():
            return root / "benchmarks"
    return None


def benchmark_names(folder: Path) -> list[str]:
    """Files that measure, by name; others are their helpers."""
    return sorted(path.stem for path in folder.glob("*.py") if "\ndef bench(" in path.read_text(encoding="utf-8"))


def measured(
    folder: Path,
    name: str,
    pieces: Sequence[str] = (),
    quick: bool = False,
    data: Path | None = None,
    out: Path | None = None,
) -> Iterator[Result]:
    """Run one benchmark; each figure as it comes, once what it says of itself is checked.

    Raises:
        UsageError: it has no such pieces, or none at all; it needs data, or takes none.
    """
    import msgspec

    from twinstorm.tui.cli.bench_result import Result

    # Found as `benchmarks.NAME`, as their tests and the processes that they spawn find them.
    sys.path.insert(0, str(folder.parent))
    try:
        module = import_module(f"benchmarks.{name}")
        parts = _parts(name, getattr(module, "PIECES", None), pieces, quick)
        for each in module.bench(*parts, *_data(name, module, data, out)):
            yield msgspec.convert(each, Result, from_attributes=True)
    finally:
        sys.path.remove(str(folder.parent))


def _parts(name: str, known: Mapping[str, Any] | None, pieces: Sequence[str], quick: bool) -> tuple[Any, ...]:
    """What a benchmark in pieces is called with; another one takes nothing."""
    if known is None:
        if pieces or quick:
            raise UsageError(f"`{name}` comes in one piece and one size", f"twinstorm bench {name}")
        return ()
    strange = [piece for piece in pieces if piece not in known]
    if strange:
        raise UsageError(f"`{name}` has no piece `{strange[0]}`", f"it has: {', '.join(known)}")
    return pieces, quick


def _data(name: str, module: ModuleType, data: Path | None, out: Path | None) -> tuple[Path | None, ...]:
    """What a benchmark on public data is called with besides; another one takes nothing."""
    wanted: str | None = getattr(module, "DATA", None)
    if wanted is None:
        if data is not None or out is not None:
            raise UsageError(f"`{name}` takes no --data and no --out", f"twinstorm bench {name}")
        return ()
    if data is None:
        raise UsageError(f"`{name}` needs --data DIR: {wanted}", f"--out PATH: {module.OUT}")
    missing = [each for each in module.NEEDS if not (data / each).exists()]
    if missing:
        raise UsageError(f"{data} holds no {missing[0]}", f"--data is {wanted}")
    return data, out


def machine() -> dict[str, Any]:
    """What a figure depends on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": platform.system(),
        "release": platform.release(),
        "processor": _processor(),
        "cores": usable,
        "memory_bytes": memory,
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def document(results: Sequence[Result]) -> str:
    import msgspec

    found = {"schema": BENCH_SCHEMA, "machine": machine(), "results": list(results)}
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def table(results: Sequence[Result], color: bool) -> list[str]:
    """One line a figure: value, peer, ratio, what is required, whether it is met."""
    from twinstorm.scenarios.reports.words import number

    rows = [
        (
            result.name,
            f"{number(result.value)} {result.unit}".strip(),
            f"{result.peer} {number(result.peer_value)}" if result.peer and result.peer_value is not None else "",
            f"{number(result.ratio)}x" if result.ratio is not None else "",
            f"want {result.required}" if result.required else "",
        )
        for result in results
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(5)]
    lines = []
    for result, row in zip(results, rows, strict=True):
        sign = {True: "+", False: "x", None: " "}[result.met]
        style = "bad" if result.met is False else "good"
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"{paint(sign, style, color)} {cells}".rstrip())
    return lines
