"""Is the process that wrote a record still there? A number alone does not tell: the system gives it out again."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def host() -> str:
    """Name of this machine, or of this container."""
    return platform.node()


def _status(pid: int) -> list[str]:
    """Fields of `/proc/PID/stat` from the third on (state, parent, ...); empty where the system has no such file."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    return stat.rpartition(")")[2].split()


def born(pid: int) -> str:
    """When the system started a process, as the system counts it; empty where it does not say (outside Linux)."""
    status = _status(pid)
    return status[19] if status else ""


def is_alive(pid: int, on_host: str, born_then: str) -> bool:
    """True if that very process still runs, or if nobody here can know (another machine)."""
    if on_host != host():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It runs as somebody else.
    if _status(pid)[:1] == ["Z"]:  # Dead; its parent has not asked for its exit code yet.
        return False
    return born_then in ("", born(pid))
