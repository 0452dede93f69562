"""What sensors add to the truth: noise, and the ends of their range."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.twin.flow import Channel, Values


def disturb(row: Values, drawn: Values, size: float) -> None:
    """Add noise of a standard deviation in place; `drawn`, standard normal, is overwritten."""
    drawn *= size
    row += drawn


def disturb_share(row: Values, drawn: Values, share: float) -> None:
    """Add noise whose standard deviation is a share of the value, in place; `drawn` is overwritten."""
    drawn *= row
    disturb(row, drawn, share)


def keep_within(channels: Sequence[Channel], out: Values) -> None:
    """Clip each row in place to what its channel can tell."""
    for channel, row in zip(channels, out, strict=True):
        row.clip(channel.lowest, channel.highest, out=row)
