"""`twinstorm doctor`: is everything here that a run and the screen need?"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from twinstorm.scenarios.reports.color import paint
from twinstorm.tui.cli.cells import drawn_cells
from twinstorm.tui.cli.command import command
from twinstorm.tui.cli.options import JSON
from twinstorm.tui.cli.talk import Talk

ENOUGH_DISK_BYTES = 200 * 2**20
ENOUGH_MEMORY_BYTES = 500 * 2**20
SMALLEST_SCREEN = (60, 16)


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes:
        state: ok; warn: something is less than it could be; bad: a run or the screen cannot work.
        advice: one thing to try; empty if ok.
    """

    name: str
    state: str
    found: str
    advice: str = ""


@command(JSON)
def doctor(talk: Talk, json: bool) -> int:
    """Look whether all is here that a run needs.

    Python, packages, terminal, colours, width of the signs, a loopback port, disk and memory.

    \b
      twinstorm doctor

    Exit: 0, or 4 if something that a run needs is not there.
    """
    findings = list(examined(talk))
    if json:
        import msgspec

        document = {"schema": "twinstorm/doctor/1", "findings": findings}
        talk.data(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    else:
        for line in told(findings, talk.color_out):
            talk.data(line)
    return 4 if any(finding.state == "bad" for finding in findings) else 0


def told(findings: Sequence[Finding], color: bool) -> Iterator[str]:
    width = max(len(finding.name) for finding in findings)
    looks = {"ok": ("+", "good"), "warn": ("^", "warn"), "bad": ("x", "bad")}
    for finding in findings:
        sign, style = looks[finding.state]
        yield f"{paint(sign, style, color)} {finding.name.ljust(width)}  {finding.found}"
        if finding.advice:
            yield f"  {' ' * width}  {finding.advice}"


def examined(talk: Talk) -> Iterator[Finding]:
    """All findings, in the order in which they matter."""
    yield python()
    yield packages(required())
    yield terminal(talk)
    yield colors(talk)
    yield signs(talk)
    yield port()
    yield disk(Path.cwd())
    yield memory(free_memory_bytes())


def python(running: Sequence[int] = sys.version_info[:3]) -> Finding:
    found = ".".join(map(str, running))
    good = tuple(running[:2]) >= (3, 11)
    return Finding("python", "ok" if good else "bad", found, "" if good else "Take Python 3.11 or newer.")


def required() -> list[str]:
    """What the distribution names as needed, as it stands in its metadata."""
    from importlib.metadata import requires

    return requires("twinstorm") or []


def packages(needed: Sequence[str]) -> Finding:
    """Everything that the distribution requires, extras apart."""
    from importlib.metadata import PackageNotFoundError, version

    missing = []
    names = [_name(requirement) for requirement in needed if "extra ==" not in requirement]
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", "bad", f"missing: {', '.join(missing)}", "Install again: pip install twinstorm")
    return Finding("packages", "ok", f"{len(names)} there, twinstorm {version('twinstorm')}")


def _name(requirement: str) -> str:
    """Distribution name at the head of a requirement such as ``numpy<3,>=2.4``."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return found[0] if found else requirement


def terminal(talk: Talk) -> Finding:
    if not talk.out.isatty():
        return Finding("terminal", "warn", "standard output is not a terminal", "`run` works; the screen needs one.")
    columns, rows = shutil.get_terminal_size()
    kind = os.environ.get("TERM", "") or "no TERM"
    found = f"{kind}, {columns}x{rows}"
    if kind == "dumb":
        return Finding("terminal", "warn", found, "`run` works; the screen needs a terminal that can move its cursor.")
    if columns < SMALLEST_SCREEN[0] or rows < SMALLEST_SCREEN[1]:
        least = "x".join(map(str, SMALLEST_SCREEN))
        return Finding("terminal", "warn", found, f"The screen needs {least}; 120x36 shows everything.")
    return Finding("terminal", "ok", found)


def colors(talk: Talk) -> Finding:
    """How many colours the terminal says that it has."""
    environment = os.environ
    if environment.get("NO_COLOR"):
        return Finding("colours", "ok", "none: NO_COLOR is set; signs, bold and reverse do")
    if not talk.out.isatty() or environment.get("TERM") == "dumb":
        return Finding("colours", "ok", "none here; signs do")
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return Finding("colours", "ok", "16 million")
    depth = "256" if "256color" in environment.get("TERM", "") else "16"
    return Finding("colours", "ok", depth)


def signs(talk: Talk, cells: Callable[[str], int | None] = drawn_cells) -> Finding:
    """Whether the stream can carry the signs of the screen, and whether each takes one cell.

    Args:
        cells: measures a sign where there is a terminal that answers.
    """
    from twinstorm.tui.app.signs import STATE_SIGNS

    drawn = "".join(state.sign for state in STATE_SIGNS)
    encoding = (getattr(talk.out, "encoding", None) or "ascii").lower()
    try:
        drawn.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return Finding("signs", "warn", f"{encoding} cannot carry {drawn!a}", "Use --ascii, or a UTF-8 locale.")
    doubtful = " ".join(sign for sign in drawn if _is_wide(sign, cells(sign) if talk.out.isatty() else None))
    if doubtful:
        return Finding("signs", "warn", f"{doubtful} takes two cells here", "Use --ascii if the map looks torn.")
    return Finding("signs", "ok", f"{drawn} one cell each ({encoding})")


def _is_wide(sign: str, measured: int | None) -> bool:
    """What the terminal did, or, if it does not answer, what is usual where we are."""
    if measured is not None:
        return measured > 1
    width = unicodedata.east_asian_width(sign)
    return width in "WF" or (width == "A" and _in_east_asia())


def _in_east_asia() -> bool:
    """Locales whose terminals draw signs of ambiguous width over two cells."""
    name = next((value for key in ("LC_ALL", "LC_CTYPE", "LANG") if (value := os.environ.get(key))), "")
    return name.split("_")[0] in ("ja", "ko", "zh")


def port() -> Finding:
    """A message over a loopback port, as the embedded broker uses one."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            number = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", number), timeout=2.0) as client:
                peer, _ = server.accept()
                with peer:
                    peer.sendall(b"storm")
                    answer = client.recv(5)
    except OSError as error:
        return Finding("loopback port", "bad", error.strerror or str(error), "Live runs and the screen need 127.0.0.1.")
    if answer != b"storm":
        return Finding("loopback port", "bad", "it does not carry what was sent", "Look for a proxy or a firewall.")
    return Finding("loopback port", "ok", "127.0.0.1 listens and answers")


def disk(folder: Path) -> Finding:
    """Whether records can be written where we stand."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"storm")
    except OSError as error:
        return Finding("disk", "bad", f"{folder}: {error.strerror}", "Stand elsewhere, or name a folder: run --out DIR")
    free = shutil.disk_usage(folder).free
    enough = free >= ENOUGH_DISK_BYTES
    return Finding(
        "disk",
        "ok" if enough else "warn",
        f"{_size(free)} free",
        "" if enough else "A long run records more than that.",
    )


def memory(free: int | None) -> Finding:
    if free is None:
        return Finding("memory", "ok", "this system does not say")
    enough = free >= ENOUGH_MEMORY_BYTES
    found = f"{_size(free)} free, {os.cpu_count()} processors"
    return Finding("memory", "ok" if enough else "warn", found, "" if enough else "Take a smaller fleet: --devices")


def free_memory_bytes() -> int | None:
    """Memory that a new process may take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
