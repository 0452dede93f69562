"""What every fault is: a small class that says who it is and acts through the primitives of the world or the broker.

Timing, targets, ramp and repetition belong to the scenario step; a fault holds its own settings only. This module and
the fault modules import no NumPy at run time, because `twinstorm check` reads the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, Evidence, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind

SettingType = Literal["duration", "share", "rate", "count", "number", "quantity", "size", "size_rate", "word", "text"]


@dataclass(frozen=True)
class Setting:
    """One of a fault's own settings, as it stands under `with`.

    Attributes:
        kind: how the value is written and what Python gets: duration -> int microseconds, share -> float 0..1,
            rate -> float per second, count -> int, number -> float, quantity -> (float, unit), size -> bytes,
            size_rate -> bytes per second, word (one of `choices`)
            and text -> str.
        default: as people would write it.
    """

    name: str
    kind: SettingType
    default: str
    summary: str
    choices: tuple[str, ...] = ()


class Fault:
    """A kind of fault; ours and strangers' are subclasses.

    Classes carry no state: what a fault changed lives in the world's or the broker's arrays, so that a snapshot has it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for lists."""
    effect: ClassVar[str]
    """A paragraph for `twinstorm explain`: what happens to devices, links and broker, and what evidence is counted."""
    acts_on: ClassVar[Literal["world", "broker"]] = "world"
    clocks: ClassVar[frozenset[str]] = frozenset({"virtual", "live"})
    """Where it can run."""
    needs_target: ClassVar[bool] = True
    survivable: ClassVar[bool] = True
    """False: devices do not come back by themselves, so injecting it asks for the number of devices."""
    settings: ClassVar[tuple[Setting, ...]] = ()

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        """Why it cannot bite on these kinds of machine with these settings, and what could; empty: it can.

        Asked when a scenario is read, so that nobody waits for a run to learn it.

        Args:
            kinds: loads them; not called by a fault that machines have nothing to do with.
        """
        return ""

    @classmethod
    def start(cls, on: Any, order: FaultOrder, device: Device, at_us: int) -> None:
        """Let it happen to `device` (all of the order, or the next part of a ramp).

        Args:
            on: the `World` or the `Broker`, as `acts_on` says.
        """
        raise NotImplementedError

    @classmethod
    def end(cls, on: Any, order: FaultOrder, device: Device, at_us: int) -> None:
        """Let it be over. By default there is nothing left to end."""

    @classmethod
    def evidence(cls, on: Any, order: FaultOrder) -> Evidence:
        """What it demonstrably did so far; asked at its end and at the end of the run."""
        found: Evidence = on.evidence_of(order.step)
        return found


GROUP = "twinstorm.faults"


@cache
def catalogue() -> Mapping[str, type[Fault]]:
    """Name to class of every installed fault, ours and strangers', sorted by name."""
    found: dict[str, Any] = {point.name: point.load() for point in entry_points(group=GROUP)}
    return dict(sorted(found.items()))
