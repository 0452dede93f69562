"""Lines of styled text, built without markup: text from devices stays text, whatever brackets or codes it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

Span = tuple[str, Style]
Line = list[Span]

PLAIN = Style.null()
_MORE = " ..."


def clean(text: str, *, ascii_only: bool = False) -> str:
    """The text with everything a terminal might obey or cannot draw as ``?``: control characters, line ends, escape
    codes, writing direction; with `ascii_only` also what is not ASCII."""
    if text.isprintable() and (not ascii_only or text.isascii()):
        return text
    return "".join(letter if letter.isprintable() and (not ascii_only or letter.isascii()) else "?" for letter in text)


def text(line: Iterable[Span]) -> str:
    """The letters of a line."""
    return "".join(letters for letters, _ in line)


def width_of(line: Iterable[Span]) -> int:
    """Columns that a line takes."""
    return sum(cell_len(letters) for letters, _ in line)


def plain(letters: str) -> Line:
    return [(letters, PLAIN)]


def segments(line: Iterable[Span], base: Style, *, ascii_only: bool) -> list[Segment]:
    return [Segment(clean(letters, ascii_only=ascii_only), base + style) for letters, style in line if letters]


def cut(line: Sequence[Span], width: int) -> Line:
    """The first `width` columns of a line."""
    kept: Line = []
    for letters, style in line:
        length = cell_len(letters)
        if length > width:
            if width > 0:
                kept.append((set_cell_size(letters, width), style))
            break
        kept.append((letters, style))
        width -= length
    return kept


def ends(left: Sequence[Span], right: Sequence[Span], width: int, gap: int = 1) -> Line:
    """`left` and `right` at the two ends of `width` columns. If they do not fit, `right` goes, then `left` is cut."""
    room = width - width_of(left) - width_of(right)
    if room < gap:
        return cut(left, width)
    return [*left, (" " * room, PLAIN), *right]


def join(pieces: Sequence[Line], separator: Span) -> Line:
    joined: Line = []
    for number, piece in enumerate(pieces):
        if number:
            joined.append(separator)
        joined.extend(piece)
    return joined


def fit(variants: Iterable[Sequence[Line]], separator: Span, width: int) -> Line:
    """The first of several ways to say a row that fits `width`; of the last one, as many pieces from the left as fit.

    The order of pieces is the order of need, so what goes first stands last. A first piece that does not fit alone is
    cut.
    """
    pieces: Sequence[Line] = ()
    for pieces in variants:
        if width_of(joined := join(pieces, separator)) <= width:
            return joined
    for number in range(len(pieces) - 1, 0, -1):
        if width_of(joined := join(pieces[:number], separator)) <= width:
            return joined
    return cut(pieces[0], width) if pieces else []


def shorten(letters: str, width: int) -> str:
    """As many whole words as fit `width` columns with the dots that say that there are more.

    >>> shorten("4,800 devices fell silent", 20), shorten("fell silent", 20)
    ('4,800 devices ...', 'fell silent')
    """
    if cell_len(letters) <= width:
        return letters
    kept = ""
    for word in letters.split():
        longer = f"{kept} {word}" if kept else word
        if cell_len(longer) + len(_MORE) > width:
            break
        kept = longer
    return kept + _MORE if kept else set_cell_size(letters, max(width, 0))


def wrap(letters: str, width: int, indent: str = "") -> list[str]:
    """Words of a text in lines of at most `width` columns; a longer word is broken."""
    rows: list[str] = []
    row = ""
    for word in letters.split():
        rest = word
        while cell_len(rest) > max(width - len(indent), 1):
            if row:
                rows.append(row)
                row = ""
            head = set_cell_size(rest, max(width - len(indent), 1)).rstrip() or rest[:1]
            rows.append(head)
            rest = rest[len(head) :]
        if row and cell_len(row) + 1 + cell_len(rest) > width - len(indent):
            rows.append(row)
            row = rest
        else:
            row = f"{row} {rest}" if row and rest else row or rest
    if row:
        rows.append(row)
    return [indent + row for row in rows]
