"""Faults of sensors: the device is well, its values are not.

Each names a channel, and how much in the channel's own unit, one of the same dimension, or as a share of its range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.twin import sensors
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind
    from twinstorm.twin.sensors import Order
    from twinstorm.twin.world import World

CHANNEL = Setting("channel", "text", "first", "name of the channel, `first` or `all`")


class SensorFault(Fault):
    """What faults of sensors share. A subclass makes what its sensors tell."""

    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.VALUES, Sign.LETTERS, Sign.SILENCE})
    """What is out of range is refused: then the device is silent to the core."""

    @classmethod
    def channel(cls, settings: Mapping[str, Any]) -> str:
        """Which channels; see `Sampler.sense`."""
        return str(settings["channel"])

    @classmethod
    def nothing(cls, settings: Mapping[str, Any]) -> str:
        """Why these settings change no value; empty: they do."""
        names = [name for name, value in settings.items() if isinstance(value, tuple) and value[0] == 0]
        return f"`{names[0]}` is 0, which changes nothing; write an amount other than 0" if names else ""

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        """What the sensors of one order tell.

        Raises:
            UnitError: a setting is in a unit that the channel cannot have.
        """
        raise NotImplementedError

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:
        nothing = cls.nothing(settings)
        if nothing:
            return nothing
        channel = cls.channel(settings)
        plain = channel in ("first", "all") and all(unit == "%" for _, unit in _quantities(settings))
        if plain and not settings.get("unit"):
            return ""
        return _misfit(cls, kinds(), channel, settings)

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        def make(each: Order) -> sensors.SensorFault:
            return cls.sensor(each, order.settings)

        on.sampler.sense(order.step, device, cls.channel(order.settings), at_us, make)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.sampler.sense_no_more(order.step, device)


def _quantities(settings: Mapping[str, Any]) -> list[tuple[float, str]]:
    return [value for value in settings.values() if isinstance(value, tuple)]


def _misfit(fault: type[SensorFault], kinds: Sequence[MachineKind], channel: str, settings: Mapping[str, Any]) -> str:
    """See `Fault.misfit`: some kind must have the channels, and each that has them must take the units."""
    import numpy as np

    from twinstorm.twin.sampling import columns_of
    from twinstorm.twin.sensors import Order
    from twinstorm.twin.units import UnitError

    fits = {kind.name: (kind, columns_of(kind, channel)) for kind in kinds}
    if not any(columns for _, columns in fits.values()):
        from twinstorm.scenarios.language.errors import closest

        known = {kind.name: [one.name for one in kind.channels] for kind in kinds}
        names = [name for each in known.values() for name in each]
        wrong = next((name.strip() for name in channel.split(",") if name.strip() not in names), channel)
        meant = closest(wrong, names)
        told = [f"did you mean `{meant}`"] if meant else []
        told += [f"{name}: {', '.join(each)}" for name, each in known.items()]
        return f"no targeted machine has a channel `{wrong}`; {'; '.join(told)}"
    for kind, columns in fits.values():
        channels = tuple(kind.channels[column] for column in columns)
        try:
            fault.sensor(Order("", np.empty(0, np.int32), columns, channels, 0, 0), settings)
        except UnitError as error:
            return str(error)
    return ""


def _differences(order: Order, amount: tuple[float, str]) -> tuple[float, ...]:
    """An amount in the unit of each channel."""
    from twinstorm.twin.units import difference_in

    return tuple(difference_in(channel, *amount) for channel in order.channels)


_EVIDENCE = " Evidence: readings that told something else than the truth."


class SensorStuck(SensorFault):
    """A channel repeats the value it had when the fault began."""

    name: ClassVar[str] = "sensor-stuck"
    summary: ClassVar[str] = "a channel repeats its last value for ever"
    effect: ClassVar[str] = (
        "The targeted devices go on sending on time, but one channel repeats the value of its first sample under the "
        "fault. Nothing that looks at arrival can see it." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (CHANNEL,)

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:  # noqa: ARG003
        from twinstorm.twin.sensors import Stuck

        return Stuck(order)


class SensorBias(SensorFault):
    """A channel is off by a constant."""

    name: ClassVar[str] = "sensor-bias"
    summary: ClassVar[str] = "a channel is off by a constant"
    effect: ClassVar[str] = (
        "Each value of the channel is higher (or, negative, lower) by the same amount, as after a knock or with a "
        "sensor mounted in the wrong place. At the end of its range the sensor saturates." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting("by", "quantity", "10 %", "how far off, in the channel's unit or as a share of its range"),
    )

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Scaled

        shift = _differences(order, settings["by"])
        return Scaled(order, 1.0, shift, (0.0,) * len(shift))


class SensorDrift(SensorFault):
    """A channel moves away from the truth at a constant rate."""

    name: ClassVar[str] = "sensor-drift"
    summary: ClassVar[str] = "a channel moves away from the truth, slowly and steadily"
    effect: ClassVar[str] = (
        "The error starts at nothing and grows by `by` each `each`, as sensors age. No single value looks wrong; only "
        "neighbours or history show it." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting("by", "quantity", "10 %", "how far in that time, in the channel's unit or as a share of its range"),
        Setting("each", "duration", "1 h", "time in which it moves so far", least="1 s"),
    )

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Scaled

        each_s = max(settings["each"], 1) / 1e6
        per_s = tuple(amount / each_s for amount in _differences(order, settings["by"]))
        return Scaled(order, 1.0, (0.0,) * len(per_s), per_s)


class SensorNoise(SensorFault):
    """A channel scatters more than it should."""

    name: ClassVar[str] = "sensor-noise"
    summary: ClassVar[str] = "a channel scatters far more than it should"
    effect: ClassVar[str] = (
        "Normal noise is added to each value of the channel, as by a loose shield or a failing converter. The mean "
        "stays right, the spread does not." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting(
            "deviation",
            "quantity",
            "5 %",
            "standard deviation, in the channel's unit or as a share of its range",
            least="0 %",
        ),
    )

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Noisy

        return Noisy(order, _differences(order, settings["deviation"]))


class SensorSpike(SensorFault):
    """Single values of a channel are far off."""

    name: ClassVar[str] = "sensor-spike"
    summary: ClassVar[str] = "now and then a single value is far off, up or down"
    effect: ClassVar[str] = (
        "A share of the channel's values is off by the same height, up or down by chance, and the next one is right "
        "again, as with bad contacts." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting("height", "quantity", "30 %", "how far off, in the channel's unit or as a share of its range"),
        Setting("share", "share", "2 %", "of the values", least="0.001 %"),
    )

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Spiking

        return Spiking(order, _differences(order, settings["height"]), settings["share"])


class SensorDropout(SensorFault):
    """A channel has no value, though the device reports."""

    name: ClassVar[str] = "sensor-dropout"
    summary: ClassVar[str] = "a channel has no value while the device goes on reporting"
    effect: ClassVar[str] = (
        "Readings arrive on time, but a share of them carries no value for the channel (null on the wire), as when a "
        "probe is unplugged. The device is fresh; its data are incomplete." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting("share", "share", "100 %", "of the readings", least="0.001 %"),
    )

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Silent

        return Silent(order, settings["share"])


class SensorSwap(SensorFault):
    """Two channels are told under each other's name."""

    name: ClassVar[str] = "sensor-swap"
    summary: ClassVar[str] = "two channels are told under each other's name"
    effect: ClassVar[str] = (
        "The probes of two channels were plugged in crosswise: each value is right and stands in the wrong place. "
        "Values that the other channel cannot have are refused by the core (out of range)." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("channel", "text", "vibration_x_mm_s", "name of one channel; must be said unless motors are meant"),
        Setting("other", "text", "vibration_z_mm_s", "name of the other, likewise"),
    )

    @classmethod
    def channel(cls, settings: Mapping[str, Any]) -> str:
        return f"{settings['channel']},{settings['other']}"

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:
        if settings["channel"] == settings["other"]:
            return f"`other` is the same channel; name two of one machine, not `{settings['other']}` twice"
        known = {kind.name: [one.name for one in kind.channels] for kind in kinds()}
        unsaid = [
            f"`{one.name}`"
            for one in cls.settings
            if settings[one.name] == one.default and not any(one.default in names for names in known.values())
        ]
        if unsaid:
            told = "; ".join(f"{name}: {', '.join(names)}" for name, names in known.items())
            return f"{' and '.join(unsaid)} must name a channel of the targeted machines; {told}"
        return super().misfit(kinds, settings)

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:  # noqa: ARG003
        from twinstorm.twin.sensors import Swapped

        return Swapped(order)


class SensorUnit(SensorFault):
    """A channel is told in another unit than agreed."""

    name: ClassVar[str] = "sensor-unit"
    summary: ClassVar[str] = "a channel is told in another unit than agreed"
    effect: ClassVar[str] = (
        "The value is right and the unit is not: Fahrenheit where Celsius was agreed, after an update or a change of "
        "settings. What the channel cannot hold is refused by the core (out of range)." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting("unit", "text", "", "the unit told, e.g. `F`; empty: the one most often mistaken for the channel's"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:
        from twinstorm.twin.sampling import columns_of
        from twinstorm.twin.units import mistaken_for

        channel = cls.channel(settings)
        wrong = _misfit(cls, kinds(), channel, settings)
        if wrong or settings["unit"]:
            return wrong
        channels = [kind.channels[column] for kind in kinds() for column in columns_of(kind, channel)]
        if any(mistaken_for(one) for one in channels):
            return ""
        names = ", ".join(sorted({f"{one.name} ({one.unit})" for one in channels}))
        return f"nobody mistakes the unit of {names}; name another channel, or the unit told"

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Converted
        from twinstorm.twin.units import line_to, mistaken_for

        told = [settings["unit"] or mistaken_for(channel) or channel.unit for channel in order.channels]
        lines = [line_to(channel, unit) for channel, unit in zip(order.channels, told, strict=True)]
        return Converted(order, tuple(lines))


class SensorCalibration(SensorFault):
    """A channel has lost its calibration: gain and zero are wrong."""

    name: ClassVar[str] = "sensor-calibration"
    summary: ClassVar[str] = "a channel has lost its calibration: gain and zero are wrong"
    effect: ClassVar[str] = (
        "Each value of the channel is multiplied by a gain and shifted, as after the exchange of a sensor without its "
        "calibration. The error grows with the value." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        CHANNEL,
        Setting("gain", "number", "1.15", "factor on the true value"),
        Setting("by", "quantity", "2 %", "shift, in the channel's unit or as a share of its range"),
    )

    @classmethod
    def nothing(cls, settings: Mapping[str, Any]) -> str:
        return "" if settings["gain"] != 1 else super().nothing(settings)

    @classmethod
    def sensor(cls, order: Order, settings: Mapping[str, Any]) -> sensors.SensorFault:
        from twinstorm.twin.sensors import Scaled

        shift = _differences(order, settings["by"])
        return Scaled(order, settings["gain"], shift, (0.0,) * len(shift))
