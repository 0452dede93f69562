"""What every fault is: a small class that says who it is and acts through the primitives of the world or the broker.

Timing, targets, ramp and repetition belong to the scenario step; a fault holds its own settings only. This module and
the fault modules import no NumPy at run time, because `twinstorm check` reads the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, get_args

from twinstorm.twin.plugins import Plugins, blamed, failed
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Segment, Site
    from twinstorm.twin.flow import Device, Evidence, FaultOrder, Knowledge
    from twinstorm.twin.machines.kind import MachineKind

CLOCKS: Final = frozenset({"virtual", "live"})
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
        least, most: bounds, written likewise; empty: none. Of a quantity, whose unit is the channel's, only whether it
            is less than 0.
    """

    name: str
    kind: SettingType
    default: str
    summary: str
    choices: tuple[str, ...] = ()
    least: str = ""
    most: str = ""


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
    clocks: ClassVar[frozenset[str]] = CLOCKS
    """Where it can run."""
    needs_target: ClassVar[bool] = True
    slows_links: ClassVar[bool] = False
    """Live it needs a proxy between its devices and the broker, hence to know them before the run."""
    needs_tls: ClassVar[bool] = False
    """Live it is about certificates, which devices have with `--tls` only."""
    needs_plain: ClassVar[bool] = False
    """Live it is about messages that can be overheard, which nobody can over TLS."""
    needs_consumers: ClassVar[bool] = False
    """It is about the pool that a scenario has with `processing`."""
    survivable: ClassVar[bool] = True
    """False: devices do not come back by themselves, so injecting it asks for the number of devices."""
    signs: ClassVar[frozenset[Sign] | None] = None
    """What may show of it to whoever looks from outside, for scoring alone; None: nobody has said, anything may."""
    shortens_lives: ClassVar[bool] = False
    """It is about machines that wear, so that a report tells what life they had left when it was found."""
    settings: ClassVar[tuple[Setting, ...]] = ()

    @classmethod
    def needs_proxy(cls, settings: Mapping[str, Any]) -> bool:  # noqa: ARG003
        """Whether `slows_links` is true of it with these settings."""
        return cls.slows_links

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        """Why it cannot bite on these kinds of machine with these settings, and what could; empty: it can.

        Asked when a scenario is read, so that nobody waits for a run to learn it.

        Args:
            kinds: loads them; not called by a fault that machines have nothing to do with.
        """
        return ""

    @classmethod
    def misfit_of_segments(cls, segments: Sequence[Segment]) -> str:  # noqa: ARG003
        """As `misfit`: why it cannot bite on devices of these segments, whatever machines they are."""
        return ""

    @classmethod
    def misfit_of_number(cls, devices: int, settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        """As `misfit`: why it cannot be had by so many targeted devices with these settings."""
        return ""

    @classmethod
    def misfit_of_sites(cls, sites: Callable[[], Sequence[Site]]) -> str:  # noqa: ARG003
        """As `misfit`: why it cannot bite on devices of these sites.

        Args:
            sites: finds them; not called by a fault that sites have nothing to do with.
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
    def misinform(cls, core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:
        """Beside `start`, in both clocks: what the core itself is told wrongly or not at all. By default nothing."""

    @classmethod
    def correct(cls, core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:
        """Beside `end`: the core is told how it is. By default nothing."""

    @classmethod
    def evidence(cls, on: Any, order: FaultOrder) -> Evidence:
        """What it demonstrably did so far; asked each second until it did something, at its end, and at the end of the
        run."""
        found: Evidence = on.evidence_of(order.step)
        return found


@cache
def catalogue() -> Plugins[type[Fault]]:
    """Name to class of every installed fault, ours and strangers', sorted by name; loaded when asked for."""
    return Plugins("fault", lambda found: found, flaws)


def flaws(name: str, fault: Any) -> Iterator[str]:
    """What is wrong with what a fault says of itself, each with what is allowed.

    Args:
        name: by which it is installed.
    """
    if not (isinstance(fault, type) and issubclass(fault, Fault)):
        yield "it is no subclass of `twinstorm.scenarios.faults.base.Fault`"
        return
    missing = [each for each in ("name", "summary", "effect") if not isinstance(getattr(fault, each, None), str)]
    if missing:
        yield f"it has no `{'`, `'.join(missing)}`"
    elif fault.name != name:
        yield f"it is installed as `{name}` and calls itself `{fault.name}`: both must be one name"
    if fault.acts_on not in ("world", "broker"):
        yield f"`acts_on` is {fault.acts_on!r}; allowed: world, broker"
    if not fault.clocks or not fault.clocks <= CLOCKS:
        yield f"`clocks` are {sorted(fault.clocks)}; allowed: {', '.join(sorted(CLOCKS))}"
    for setting in fault.settings:
        if not isinstance(setting, Setting) or setting.kind not in get_args(SettingType):
            yield f"its setting {setting!r} is no `Setting` of a known kind"
    if fault.signs is not None and not (isinstance(fault.signs, frozenset) and fault.signs <= set(Sign)):
        yield f"`signs` are {fault.signs!r}; allowed: None, or a frozenset of `twinstorm.twin.signs.Sign`"
    names = [setting.name for setting in fault.settings if isinstance(setting, Setting)]
    yield from (f"`settings` names `{each}` twice" for each in sorted(set(names)) if names.count(each) > 1)


# --- calls ------------------------------------------------------------------------------------------------------------


def start(fault: type[Fault], on: Any, order: FaultOrder, device: Device, at_us: int) -> None:
    """Let a fault start; see `Fault.start`.

    Raises:
        PluginError: in place of what it raises; `end`, `evidence` and `misfit` do the same.
    """
    with blamed("fault", fault.name, fault, "start"):
        fault.start(on, order, device, at_us)


def end(fault: type[Fault], on: Any, order: FaultOrder, device: Device, at_us: int) -> None:
    """Let a fault end; see `Fault.end`."""
    with blamed("fault", fault.name, fault, "end"):
        fault.end(on, order, device, at_us)


def misinform(fault: type[Fault], core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:
    """Let a fault change what the core knows; see `Fault.misinform`."""
    with blamed("fault", fault.name, fault, "misinform"):
        fault.misinform(core, order, device, at_us)


def correct(fault: type[Fault], core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:
    """Let the core know again; see `Fault.correct`."""
    with blamed("fault", fault.name, fault, "correct"):
        fault.correct(core, order, device, at_us)


def evidence(fault: type[Fault], on: Any, order: FaultOrder) -> Evidence:
    """What a fault did; see `Fault.evidence`."""
    with blamed("fault", fault.name, fault, "evidence"):
        found = fault.evidence(on, order)
    counts: Any = getattr(found, "counts", None)
    if not isinstance(counts, Mapping):
        raise failed("fault", fault.name, fault, f"`evidence` returned {type(found).__name__}; an Evidence is wanted")
    for what, count in counts.items():
        if not isinstance(what, str) or not isinstance(count, int) or count < 0:
            told = f"`evidence` counted {count!r} for {what!r}; allowed: a name, and a whole number from 0"
            raise failed("fault", fault.name, fault, told)
    return found


def misfit(
    fault: type[Fault],
    kinds: Callable[[], Sequence[MachineKind]],
    settings: Mapping[str, Any],
    segments: Sequence[Segment],
    sites: Callable[[], Sequence[Site]],
    devices: int | None,
) -> str:
    """Why a fault cannot bite; see `Fault.misfit`, `misfit_of_segments`, `misfit_of_sites` and `misfit_of_number`.

    Args:
        devices: how many are targeted; None: that hangs on the moment.
    """
    with blamed("fault", fault.name, fault, "misfit"):
        said = fault.misfit(kinds, settings) or fault.misfit_of_segments(segments) or fault.misfit_of_sites(sites)
        if not said and devices is not None:
            said = fault.misfit_of_number(devices, settings)
    if not isinstance(said, str):
        raise failed("fault", fault.name, fault, f"`misfit` returned {type(said).__name__}; a text is wanted")
    return said
