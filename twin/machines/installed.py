"""Kinds of machine that are installed, and what a kind must say of itself. Needs no NumPy, unlike the kinds."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from twinstorm.twin.plugins import Plugins

if TYPE_CHECKING:
    from twinstorm.twin.flow import Channel
    from twinstorm.twin.machines.kind import MachineKind

MOST_CHANNELS: Final = 256
MOST_WORDS: Final = 256
_SAID: Final = ("name", "summary", "channels", "every_us", "words", "settable", "drives", "failures")
_DONE: Final = ("parameters", "initial", "step", "truth")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_CHANNEL: Final = re.compile(r"[a-z][a-z0-9_]*")


@cache
def catalogue() -> Plugins[MachineKind]:
    """Name to instance of every installed kind, ours and strangers', sorted by name; loaded when asked for."""
    return Plugins("machine kind", lambda found: found(), flaws)


def flaws(name: str, kind: Any) -> Iterator[str]:
    """What is wrong with what a kind says of itself, each with what is allowed.

    Args:
        name: by which it is installed.
    """
    missing = [each for each in (*_SAID, *_DONE) if not hasattr(kind, each)]
    if missing:
        yield f"it has no `{'`, `'.join(missing)}`"
        return
    yield from (f"`{each}` is no method" for each in _DONE if not callable(getattr(kind, each)))
    if kind.name != name:
        yield f"it is installed as `{name}` and calls itself `{kind.name}`: both must be one name"
    elif not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"its name `{name}` is not small letters, digits and `-`, a letter first"
    if not isinstance(kind.every_us, int) or kind.every_us <= 0:
        yield f"`every_us` is {kind.every_us!r}; a whole number of microseconds above 0"
    yield from _flaws_of_events(kind)
    if not isinstance(kind.words, int) or not 0 <= kind.words <= MOST_WORDS:
        yield f"`words` is {kind.words!r}; allowed: 0 .. {MOST_WORDS}"
    if not 0 < len(kind.channels) <= MOST_CHANNELS:
        yield f"it has {len(kind.channels)} channels; allowed: 1 .. {MOST_CHANNELS}"
    for each in kind.channels:
        yield from _flaws_of_channel(each)
    for group in ("channels", "settable", "drives", "failures"):
        counts = Counter(one.name for one in getattr(kind, group))
        yield from (f"`{group}` names `{each}` {count} times" for each, count in counts.items() if count > 1)
    for one in (*kind.settable, *kind.drives):
        if not _is_range(one.lowest, one.highest):
            yield f"`{one.name}` reaches from {one.lowest} to {one.highest}: no range"
    channels = [each.name for each in kind.channels]
    for mode in kind.failures:
        if not mode.channels:
            yield f"its failure `{mode.name}` shows on no channel"
        unknown = [each for each in mode.channels if each not in channels]
        if unknown:
            yield f"its failure `{mode.name}` shows on `{unknown[0]}`, which is none of {', '.join(channels)}"


def _flaws_of_events(kind: Any) -> Iterator[str]:
    if not hasattr(kind, "grid_us"):
        return
    if not isinstance(kind.grid_us, int) or kind.grid_us <= 0:
        yield f"`grid_us` is {kind.grid_us!r}; a whole number of microseconds above 0"
    for each in ("ahead_us", "has_news"):
        if not callable(getattr(kind, each, None)):
            yield f"it is event-driven (`grid_us`) and has no method `{each}`"


def _flaws_of_channel(channel: Channel) -> Iterator[str]:
    name = channel.name
    if not _CHANNEL.fullmatch(name):
        yield f"channel `{name}` is not small letters, digits and `_`, a letter first"
    if not _is_range(channel.lowest, channel.highest):
        yield f"channel `{name}` reaches from {channel.lowest} to {channel.highest}: no range"
        return
    rises = all(low < high for low, high in pairwise((0.0, *channel.zones)))
    if channel.zones and (len(channel.zones) != 3 or not rises):
        yield f"channel `{name}` has the zones {channel.zones}; allowed: none, or three limits that ascend from above 0"
    if not (math.isfinite(channel.step) and channel.step > 0 and math.isfinite(channel.offset)):
        yield f"channel `{name}` has the step {channel.step} and the offset {channel.offset}; a step is above 0"
        return
    most = channel.MOST_WIDE_STEPS
    if channel.most_steps > most + 0.5:
        ends = [(end - channel.offset) / channel.step for end in (channel.lowest, channel.highest)]
        yield (
            f"channel `{name}` needs the steps {ends[0]:,.0f} .. {ends[1]:,.0f} from its offset; allowed: "
            f"-{most:,} .. {most:,}, so widen the step or move the offset"
        )
    elif channel.is_wide and not _float32_tells_apart(channel):
        yield (
            f"channel `{name}` has the step {channel.step}: float32 cannot tell such steps apart at its end, so widen"
            " the step or bring the range nearer to 0"
        )


def _float32_tells_apart(channel: Channel) -> bool:
    """Whether neighbouring steps at the far end of the range stay two numbers in 24 bits of mantissa."""
    _, exponent = math.frexp(max(abs(channel.lowest), abs(channel.highest)))
    return math.ldexp(1.0, exponent - 24) < channel.step


def _is_range(lowest: float, highest: float) -> bool:
    return math.isfinite(lowest) and math.isfinite(highest) and lowest < highest
