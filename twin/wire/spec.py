"""Wire profiles as data: which topics devices use and what their documents look like. Closed lists, nothing evaluated.

What a scenario's file says of a profile ends here, checked; `twin.wire.wires` makes messages of it. Imports no NumPy,
for the language reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from twinstorm.twin.wire.profile import CODEC_NAMES, LONGEST_TOPIC_BYTES, Address

PLACEHOLDERS: Final = ("site", "device", "segment", "kind", "codec")
"""Levels of a topic that differ from device to device, written ``{site}``."""
NEEDED: Final = ("site", "device")
"""Without both nobody could tell whose message it is."""

TIMES: Final = ("time", "time_s", "time_ms", "time_us")
"""When: RFC 3339, or seconds, milliseconds or microseconds since 1970."""
WHO: Final = ("name", "site", "device", "segment", "kind", "firmware")
READING_SOURCES: Final = (*TIMES, *WHO, "boot", "seq", "schema", "ignored")
"""What a field of a flat reading can hold, beside its channels; `ignored` is not sent, and not looked at."""
STATE_SOURCES: Final = (*TIMES, *WHO, "boot", "state", "schema", "ignored")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_LEVEL = re.compile(r"[^/+#{}$\x00-\x20\x7f]+")


class UnfitTemplateError(ValueError):
    """A template of topics that nobody could use; `part` is what is wrong in it, `allowed` what may stand there."""

    def __init__(self, message: str, part: str = "", allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message, part, allowed)
        self.message, self.part, self.allowed = message, part, allowed


@dataclass(frozen=True)
class Template:
    """Topics of one sort of message.

    Attributes:
        text: levels, of which some are placeholders, each alone in its level and each at most once.
    """

    text: str

    def check(self) -> None:
        """
        Raises:
            UnfitTemplateError: it is no template.
        """
        seen: list[str] = []
        for number, level in enumerate(self.text.split("/")):
            found = _PLACEHOLDER.fullmatch(level)
            if found is None:
                self._check_word(level)
                continue
            name = found[1]
            if name not in PLACEHOLDERS:
                raise UnfitTemplateError(f"unknown placeholder `{{{name}}}`", level, _braced(PLACEHOLDERS))
            if name in seen:
                raise UnfitTemplateError(f"the placeholder `{{{name}}}` stands here twice", level)
            if number == 0:
                raise UnfitTemplateError("a topic begins with a word, not with a placeholder", level)
            seen.append(name)
        missing = [name for name in NEEDED if name not in seen]
        if missing:
            raise UnfitTemplateError(f"the placeholder `{{{missing[0]}}}` is missing", "", _braced(NEEDED))
        if len(self.text.encode()) > LONGEST_TOPIC_BYTES // 64:
            raise UnfitTemplateError("the topic is too long")

    @staticmethod
    def _check_word(level: str) -> None:
        if not level:
            raise UnfitTemplateError("a topic has no empty level")
        if "{" in level or "}" in level:
            raise UnfitTemplateError("a placeholder stands alone in its level", level, _braced(PLACEHOLDERS))
        if not _LEVEL.fullmatch(level):
            raise UnfitTemplateError("a topic has no `+`, `#`, `$`, blanks or control characters", level)

    def topic(self, values: Mapping[str, str]) -> str:
        """
        Args:
            values: of the placeholders.

        Raises:
            ValueError: a value cannot be a level of a topic.
        """
        levels = [values[level[1:-1]] if level.startswith("{") else level for level in self.text.split("/")]
        for level in levels:
            if not level or any(sign in level for sign in "/+#\x00"):
                raise ValueError(f"`{level}` cannot be a level of a topic")
        return "/".join(levels)

    @property
    def filter(self) -> str:
        """Topic filter for these messages of every device."""
        return "/".join("+" if level.startswith("{") else level for level in self.text.split("/"))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        levels = (
            f"(?P<{level[1:-1]}>[^/+#\x00]+)" if level.startswith("{") else re.escape(level)
            for level in self.text.split("/")
        )
        return re.compile("/".join(levels))

    def address(self, topic: str, channel: str) -> Address | None:
        """What a topic says; None if it is none of these. Without a placeholder for it the codec is empty."""
        found = self._pattern.fullmatch(topic)
        if found is None:
            return None
        named = found.groupdict()
        codec = named.get("codec", "")
        if codec and codec not in CODEC_NAMES:
            return None
        return Address("", named["site"], named["device"], channel, codec)


def _braced(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{{{name}}}" for name in names)


@dataclass(frozen=True)
class Flat:
    """Documents without depth: a field a channel beside some others.

    Attributes:
        reading: name and source of the other fields of a reading; each source is one of `READING_SOURCES`.
        state: those of a birth or a will, of `STATE_SOURCES`.
        channels: channel and the name of its field, where it has another one than its own.
    """

    reading: tuple[tuple[str, str], ...] = (("ts", "time_ms"), ("boot", "boot"), ("seq", "seq"))
    state: tuple[tuple[str, str], ...] = (("ts", "time_ms"), ("state", "state"), ("boot", "boot"))
    channels: tuple[tuple[str, str], ...] = ()

    @cached_property
    def field_of(self) -> dict[str, str]:
        """Field of each channel that is renamed."""
        return dict(self.channels)

    def channel_of(self, channels: Iterable[str]) -> dict[str, str]:
        """Channel of each field, of a kind that has these channels."""
        return {self.field_of.get(channel, channel): channel for channel in channels}


@dataclass(frozen=True)
class Spec:
    """A wire profile that a file describes.

    Attributes:
        flat: None: documents are as ever, and only the topics differ.
    """

    name: str
    telemetry: Template
    state: Template
    flat: Flat | None = None
