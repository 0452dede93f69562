"""Where messages go: the topics of a wire profile. Nothing else builds or takes apart a topic.

A device is called ``fra-2/motors-0042`` everywhere else; on the wire that is two levels, site and device. MQTT 3.1.1
has no content type, so the last level names the codec: ``telemetry`` is JSON, ``telemetry.cbor`` is CBOR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

UP: Final = ("telemetry", "columns", "events", "state", "ack")
"""What devices send."""
DOWN: Final = ("command", "shadow", "update")
"""What devices are sent."""
CODEC_NAMES: Final = ("json", "cbor", "msgpack")
"""The first one is meant when a topic names none."""
LONGEST_TOPIC_BYTES: Final = 65_535

_FORBIDDEN = re.compile(r"[/+#\x00]")


@dataclass(frozen=True, slots=True)
class Address:
    """What a topic says.

    Attributes:
        channel: one of `UP` and `DOWN`.
        codec: one of `CODEC_NAMES`.
    """

    tenant: str
    site: str
    device: str
    channel: str
    codec: str

    @property
    def name(self) -> str:
        """The device as the registry names it."""
        return f"{self.site}/{self.device}"

    @property
    def up(self) -> bool:
        return self.channel in UP


def site_and_device(name: str) -> tuple[str, str]:
    """Both levels of a device's name.

    Raises:
        ValueError: if it is not ``SITE/DEVICE``.
    """
    site, slash, device = name.partition("/")
    if not (site and slash and device) or "/" in device:
        raise ValueError(f"`{name}` is no device name: it must be SITE/DEVICE")
    return site, device


@dataclass(frozen=True)
class Profile:
    """Topics of one wire profile.

    Attributes:
        pattern: levels with ``{tenant} {site} {device} {channel}``, each alone in its level and each once; the channel
            comes last.
        codec: of what the devices of this profile send.
    """

    name: str = "twinstorm"
    pattern: str = "fleet/{tenant}/{site}/{device}/{channel}"
    tenant: str = "default"
    codec: str = "json"

    def topic(self, channel: str, site: str, device: str, codec: str | None = None) -> str:
        """Topic of one device.

        Args:
            channel: one of `UP` and `DOWN`.
            codec: another one than the profile's.

        Raises:
            ValueError: if a name is empty or holds what a topic level must not hold, or channel or codec are unknown.
        """
        for level in (self.tenant, site, device):
            if not level or _FORBIDDEN.search(level):
                raise ValueError(f"`{level}` cannot be a level of a topic")
        topic = self.pattern.format(
            tenant=self.tenant, site=site, device=device, channel=_last_level(channel, codec or self.codec)
        )
        if len(topic.encode()) > LONGEST_TOPIC_BYTES:
            raise ValueError("the topic is longer than MQTT allows")
        return topic

    def telemetry_topic(self, site: str, device: str) -> str:
        """Where a device's readings go."""
        return self.topic("telemetry", site, device)

    def state_topic(self, site: str, device: str) -> str:
        """Where its births and its will go: always JSON, for people and other programs watch it."""
        return self.topic("state", site, device, "json")

    def filter(self, channel: str, codec: str | None = None) -> str:
        """Topic filter for this channel of every device of the tenant, in one codec."""
        return self.pattern.format(
            tenant=self.tenant, site="+", device="+", channel=_last_level(channel, codec or self.codec)
        )

    @property
    def core_filters(self) -> tuple[str, ...]:
        """What the core subscribes to: readings in every codec (guests may differ from the fleet), columns, state."""
        readings = (self.filter("telemetry", codec) for codec in CODEC_NAMES)
        return *readings, self.filter("columns", "cbor"), self.filter("state", "json")

    def parse_topic(self, topic: str) -> Address | None:
        """What a topic says; None if it is none of this profile's, whatever tenant it names."""
        found = self._topic.fullmatch(topic)
        if found is None:
            return None
        channel, dot, codec = found["channel"].partition(".")
        codec = codec if dot else CODEC_NAMES[0]
        if channel not in UP + DOWN or codec not in CODEC_NAMES or (dot and codec == CODEC_NAMES[0]):
            return None
        return Address(found["tenant"], found["site"], found["device"], channel, codec)

    @cached_property
    def _topic(self) -> re.Pattern[str]:
        levels = (
            f"(?P<{level[1:-1]}>[^/+#\x00]+)" if level.startswith("{") else re.escape(level)
            for level in self.pattern.split("/")
        )
        return re.compile("/".join(levels))


def _last_level(channel: str, codec: str) -> str:
    if channel not in UP + DOWN:
        raise ValueError(f"`{channel}` is no channel: {', '.join(UP + DOWN)}")
    if codec not in CODEC_NAMES:
        raise ValueError(f"`{codec}` is no codec: {', '.join(CODEC_NAMES)}")
    return channel if codec == CODEC_NAMES[0] else f"{channel}.{codec}"


TWINSTORM: Final = Profile()
"""The default profile."""


def parse_topic(topic: str) -> Address | None:
    """`Profile.parse_topic` of the default profile."""
    return TWINSTORM.parse_topic(topic)
