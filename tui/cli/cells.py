"""How many cells a terminal gives to a text: ask it where its cursor stands afterwards."""

from __future__ import annotations

import os
import re
import select
import sys

ANSWER_WITHIN_S = 0.3
_LONGEST_ANSWER = 64
_WHERE = "\x1b[6n"
_CLEAR = "\r\x1b[K"


def drawn_cells(text: str, keys: int | None = None, screen: int | None = None) -> int | None:
    """Cells that `text` takes at the start of a line; None if there is no terminal or it does not answer.

    Args:
        keys, screen: file descriptors of the terminal to read and to write; standard input and output if None.
    """
    if sys.platform == "win32":
        return None
    import termios
    import tty

    keys = 0 if keys is None else keys
    screen = 1 if screen is None else screen
    if not (os.isatty(keys) and os.isatty(screen)):
        return None
    before = termios.tcgetattr(keys)
    try:
        # The answer comes as if it had been typed: it must neither be shown nor wait for Enter.
        tty.setcbreak(keys, termios.TCSANOW)
        os.write(screen, f"\r{text}{_WHERE}".encode())
        column = _answer(keys)
        os.write(screen, _CLEAR.encode())
    except OSError:
        return None
    finally:
        termios.tcsetattr(keys, termios.TCSANOW, before)
    return None if column is None else column - 1


def _answer(keys: int) -> int | None:
    """Column from ``ESC [ row ; column R``."""
    heard = b""
    while len(heard) < _LONGEST_ANSWER and select.select([keys], [], [], ANSWER_WITHIN_S)[0]:
        heard += os.read(keys, _LONGEST_ANSWER)
        found = re.search(rb"\x1b\[\d+;(\d+)R", heard)
        if found:
            return int(found[1])
    return None
