"""Faults of machines: the sensor tells the truth, and the truth is bad.

What a failure does is the physics of the machine (`twin/machines/`); a fault says which, how far and how quickly.
`machine-failure` takes any that the targeted kinds have; the best known have names of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind
    from twinstorm.twin.world import World

SEVERITY = Setting(
    "severity",
    "share",
    "100 %",
    "how far it goes; 100 % is as bad as the machine can be and still run",
    least="0.1 %",
)
GROWS = Setting("grows", "duration", "10 min", "how long it takes to get there")

_EVIDENCE = (
    " It grows to its severity and is repaired when the fault ends; damage that it did meanwhile stays. Evidence: "
    "readings that differ from what the same machine would have told without it."
)


class MachineFault(Fault):
    """What faults of machines share."""

    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.VALUES})
    shortens_lives: ClassVar[bool] = True

    settings: ClassVar[tuple[Setting, ...]] = (SEVERITY, GROWS)

    @classmethod
    def mode(cls, settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        """Failure mode of the kinds that this is."""
        return cls.name

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:
        mode, targeted = cls.mode(settings), kinds()
        if not mode:
            return f"`mode` says in which way they fail, and is not given; {_what_could(mode, targeted)}"
        if any(known.name == mode for kind in targeted for known in kind.failures):
            return ""
        return f"no targeted machine can fail by `{mode}`; {_what_could(mode, targeted)}"

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        settings = order.settings
        on.sampler.fail(order.step, device, cls.mode(settings), settings["severity"], settings["grows"], at_us)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.sampler.mend(order.step, device)


def _what_could(mode: str, targeted: Sequence[MachineKind]) -> str:
    """Who else fails like that, which failure may be meant, and all that there are."""
    from twinstorm.scenarios.language.errors import closest
    from twinstorm.twin.machines.installed import catalogue

    ways = {name: [one.name for one in kind.failures] for name, kind in catalogue().working().items()}
    able = [name for name, known in ways.items() if mode in known]
    meant = closest(mode, [one.name for kind in targeted for one in kind.failures])
    told = [f"machines that can: {', '.join(able)}"] if able else [f"did you mean `{meant}`"] if meant else []
    told += [f"{kind.name}: {', '.join(ways.get(kind.name, [])) or 'none'}" for kind in targeted]
    return "; ".join(told)


class MachineFailure(MachineFault):
    """Any failure that the targeted kinds know."""

    name: ClassVar[str] = "machine-failure"
    summary: ClassVar[str] = "machines fail in one of the ways that their kind knows"
    effect: ClassVar[str] = (
        "The failure named by `mode` goes on in the targeted machines whose kind has it; `twinstorm explain KIND` "
        "lists the modes of each." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("mode", "text", "", "name of the failure, e.g. `valve-stuck`"),
        SEVERITY,
        GROWS,
    )

    @classmethod
    def mode(cls, settings: Mapping[str, Any]) -> str:
        return str(settings["mode"])


class BearingSpall(MachineFault):
    """A bearing's raceway breaks out."""

    name: ClassVar[str] = "bearing-spall"
    summary: ClassVar[str] = "a bearing's raceway breaks out: vibration rises and the bearing wears away"
    effect: ClassVar[str] = (
        "Balls roll over a pit in the raceway: each pass is an impact. Vibration rises on all axes, the bearing wears "
        "ahead of its age and warms a little." + _EVIDENCE
    )


class Imbalance(MachineFault):
    """A rotor is out of balance."""

    name: ClassVar[str] = "imbalance"
    summary: ClassVar[str] = "a rotor is out of balance: radial vibration at shaft speed"
    effect: ClassVar[str] = (
        "A lost blade or a deposit pulls at the rotor once a turn, with the square of the speed. The radial axes "
        "vibrate, the axial one hardly." + _EVIDENCE
    )


class Overheating(MachineFault):
    """Cooling is blocked."""

    name: ClassVar[str] = "overheating"
    summary: ClassVar[str] = "cooling is blocked: temperatures climb towards a new balance"
    effect: ClassVar[str] = (
        "Dust or a stopped fan keeps the heat in: the thermal resistance to the air rises, and temperatures climb with "
        "the machine's own time constant." + _EVIDENCE
    )


class LubricationLoss(MachineFault):
    """A bearing runs dry."""

    name: ClassVar[str] = "lubrication-loss"
    summary: ClassVar[str] = "a bearing runs dry: friction heats it, and it wears many times faster"
    effect: ClassVar[str] = (
        "The film between ball and raceway is gone: friction heats the bearing, vibration rises and wear goes on many "
        "times faster." + _EVIDENCE
    )


class Cavitation(MachineFault):
    """A pump's suction pressure falls below what it needs."""

    name: ClassVar[str] = "cavitation"
    summary: ClassVar[str] = "a pump is starved: the liquid boils at the impeller"
    effect: ClassVar[str] = (
        "Suction pressure falls under what the impeller needs: vapour bubbles form and collapse. Head and flow drop "
        "and fluctuate, vibration rises." + _EVIDENCE
    )


class SealLeak(MachineFault):
    """A pump loses liquid inside or along its shaft."""

    name: ClassVar[str] = "seal-leak"
    summary: ClassVar[str] = "a seal leaks: less flow and pressure arrive for more power"
    effect: ClassVar[str] = (
        "Part of the flow runs back or out along the shaft: less flow and discharge pressure arrive, though the "
        "pump takes more power." + _EVIDENCE
    )


class RefrigerantLoss(MachineFault):
    """A refrigeration circuit loses charge."""

    name: ClassVar[str] = "refrigerant-loss"
    summary: ClassVar[str] = "a chiller loses refrigerant: pressures fall, it runs long and cools little"
    effect: ClassVar[str] = (
        "Charge is lost: suction and discharge pressure fall, superheat rises, capacity shrinks and the compressor "
        "runs without a pause." + _EVIDENCE
    )
