"""What the embedded broker tells about itself below `$SYS/broker/`: retained, for whoever may subscribe to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

ROOT = "$SYS/broker/"

REFUSALS = {
    "handshakes_failed": "no_tls",
    "unauthorised": "credentials",
    "refused": "admission",
    "bad_first_packet": "bad_first_packet",
    "other_versions": "other_version",
    "connect_timeouts": "connect_timeout",
    "too_many_connects": "connect_rate",
}
"""Why a connection became no session: the counter, and its topic below `refused/`."""

CUTS = {
    "expired": "keep_alive",
    "slow_consumers": "slow_consumer",
    "malformed": "malformed",
    "oversized": "oversized",
    "unreleased": "unreleased",
    "takeovers": "takeover",
    "certificates_expired": "certificate",
}
"""Why the broker ended a connection: the counter, and its topic below `cut/`."""

DROPS = ("queue_messages", "queue_bytes", "offline_messages", "offline_bytes", "disconnected")
"""Why a message was not passed on to one of those who wanted it: counters, and topics below `dropped/`."""

COUNTERS = {
    "attempts": "connects/attempts",
    "admitted": "connects/admitted",
    "messages_in": "messages/in",
    "messages_out": "messages/out",
    "denied": "messages/denied",
    "bytes_in": "bytes/in",
    "bytes_out": "bytes/out",
    "braked": "slowed/braked",
    "throttled": "slowed/throttled",
}
"""Other counters and their topics."""

DEPTHS = (
    "clients/connected",
    "clients/away",
    "queue/messages",
    "queue/bytes",
    "in_flight/out",
    "in_flight/in",
    "retained/messages",
    "subscriptions",
)
"""Topics that tell what there is now."""


def told(
    version: str, uptime_s: int, count: Mapping[str, int], drops: Mapping[str, int], depths: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    """Topics, and what is said there: numbers in decimal, totals since the start of the run.

    Args:
        depths: by topic of `DEPTHS`.
    """
    yield f"{ROOT}version", version
    yield f"{ROOT}uptime_s", str(uptime_s)
    for name, topic in COUNTERS.items():
        yield ROOT + topic, str(count.get(name, 0))
    for folder, names in (("refused", REFUSALS), ("cut", CUTS)):
        for name, topic in names.items():
            yield f"{ROOT}{folder}/{topic}", str(count.get(name, 0))
    for cause in DROPS:
        yield f"{ROOT}dropped/{cause}", str(drops.get(cause, 0))
    for topic in DEPTHS:
        yield ROOT + topic, str(depths[topic])
