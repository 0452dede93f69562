"""The console script: imports the program, so that Ctrl+C in that moment ends it as quietly as later."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point."""
    try:
        from twinstorm.tui.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
