"""How many files, and so sockets, this process may have open: the soft limit is raised as far as it may be."""

from __future__ import annotations

import sys
from typing import Final

SPARE: Final = 128
"""Open files of a process beside its connections: interpreter, loops, pipes, what is recorded."""
MANY: Final = 65_536
"""What is asked for if nobody knows how many clients will come."""


def raise_file_limit(wanted: int) -> int:
    """Let this process, and those that it starts from now on, have so many files open; never lowers the limit.

    Returns:
        The limit that holds now, below `wanted` if the system allows no more; `sys.maxsize` if it has no limit.
    """
    try:
        import resource
    except ImportError:
        return sys.maxsize
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if limit <= soft:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    except (OSError, ValueError):  # macOS has a further limit, which it does not tell
        return soft
    return limit
