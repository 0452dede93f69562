"""What every fault is: a small class that says who it is and acts through the primitives of the world or the broker.

Timing, targets, ramp and repetition belong to the scenario step; a fault holds its own settings only. This module and
the fault modules import no NumPy at run time, because `twinstorm check` reads the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from twinstorm.twin.flow import Broker, Device, Evidence, FaultOrder
    from twinstorm.twin.world import World

SettingType = Literal["duration", "share", "rate", "count", "number", "word", "text"]


@dataclass(frozen=True)
class Setting:
    """One of a fault's own settings, as it stands under `with`.

    Attributes:
        kind: how the value is written and what Python gets: duration -> int microseconds, share -> float 0..1,
            rate -> float per second, count -> int, number -> float, word (one of `choices`) and text -> str.
        default: as people would write it.
    """

    name: str
    kind: SettingType
    default: str
    summary: str
    choices: tuple[str, ...] = ()


class Fault(Protocol):
    """A kind of fault. Classes carry no state: what a fault changed lives in the world's or the broker's arrays, so
    that a snapshot has it."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for lists."""
    effect: ClassVar[str]
    """A paragraph for `twinstorm explain`: what happens to devices, links and broker, and what evidence is counted."""
    acts_on: ClassVar[Literal["world", "broker"]]
    clocks: ClassVar[frozenset[str]]
    """Of ``virtual`` and ``live``: where it can run."""
    needs_target: ClassVar[bool]
    survivable: ClassVar[bool]
    """False: devices do not come back by themselves, so injecting it asks for the number of devices."""
    settings: ClassVar[tuple[Setting, ...]]

    @staticmethod
    def start(on: World | Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        """Let it happen to `device` (all of the order, or the next part of a ramp)."""

    @staticmethod
    def end(on: World | Broker, order: FaultOrder, device: Device, at_us: int) -> None:
        """Let it be over."""

    @staticmethod
    def evidence(on: World | Broker, order: FaultOrder) -> Evidence:
        """What it demonstrably did so far; asked at its end and at the end of the run."""


GROUP = "twinstorm.faults"


@cache
def catalogue() -> Mapping[str, type[Fault]]:
    """Name to class of every installed fault, ours and strangers', sorted by name."""
    found: dict[str, Any] = {point.name: point.load() for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))
