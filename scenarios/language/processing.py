"""`processing` and `stamps`: who processes readings before the core has them, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, quoted
from twinstorm.scenarios.language.expressions import Expression, names
from twinstorm.scenarios.language.fields import (
    Key,
    Record,
    Single,
    Table,
    count,
    duration,
    rate,
    share,
    whole,
    words,
    wrong,
)
from twinstorm.scenarios.language.model import Fleet, Functions, Processing, Scale, Stamps
from twinstorm.scenarios.language.quantities import Count, Rate

_PRICE = Single("a number", values.number, "0.0000002", values.NUMBER, "0", may_be_number=True)
_MOST_CONSUMERS = "10000"

SCALE = Table(
    "the scaling",
    (
        Key("lag", count("1", "1000000000", "1000"), "readings that wait, a consumer: for so many there is one"),
        Key("busy", share("1 %", "100 %", "70 %"), "share of their time in which consumers should work"),
        Key("least", whole("1", _MOST_CONSUMERS, "1"), "consumers that there always are", default="1"),
        Key("most", whole("1", _MOST_CONSUMERS, "8"), "consumers at most; by default one a partition"),
        Key(
            "down_after",
            duration("0 s", "1 d", "5 min"),
            "for how long fewer must have been enough before any goes",
            default="5 min",
        ),
    ),
)

SERVERLESS = Table(
    "the functions",
    (
        Key(
            "cold",
            duration("0 s", "10 min", "400 ms"),
            "what the first call of an instance takes longer",
            default="0 s",
        ),
        Key("keep", duration("0 s", "1 d", "10 min"), "how long an idle instance is kept warm", default="10 min"),
        Key("most", whole("1", "1000000", "1000"), "instances at one time; further calls wait", default="1000"),
        Key("price", _PRICE, "of a call, in whatever you count in", default="0"),
        Key("price_per_s", _PRICE, "of a second of work of an instance", default="0"),
    ),
)

PROCESSING = Table(
    "the processing",
    (
        Key("service", duration("1 us", "1 h", "2 ms"), "what one reading takes one consumer; or its `rate`"),
        Key("rate", rate("1/h", "1000000/s", "500/s"), "readings that one consumer gets through in a time"),
        Key("partitions", whole("1", _MOST_CONSUMERS, "16"), "lines in which readings wait, in order", default="16"),
        Key(
            "by",
            words("partition key", "device", "gateway", "site"),
            "whose readings stand in one line, and so stay in order",
            default="device",
        ),
        Key("consumers", whole("1", _MOST_CONSUMERS, "4"), "that there are at the start", default="1"),
        Key(
            "start", duration("0 s", "1 h", "30 s"), "until a consumer that is added, or crashed, works", default="30 s"
        ),
        Key(
            "checkpoint",
            duration("0 s", "1 d", "10 s"),
            "how often a consumer notes how far it is; by default after each reading",
            default="0 s",
        ),
        Key("scale", SCALE, "when there are more or fewer consumers; by default never"),
        Key("room", count("1", "1000000000", "100000"), "readings that may wait; by default any number"),
        Key("shed", words("policy", "newest", "oldest"), "which readings are lost beyond that", default="newest"),
        Key("serverless", SERVERLESS, "a function a reading, in place of consumers"),
    ),
)

STAMPS = Table(
    "the stamps",
    (
        Key("every", whole("1", "1000000", "100"), "of each device one reading in so many", required=True),
        Key("window", duration("1 s", "1 d", "1 min"), "the windows that they are followed into", default="1 min"),
        Key("lateness", duration("0 s", "1 d", "10 s"), "how long a window stays open behind its end", default="10 s"),
    ),
)

_OF_CONSUMERS = ("partitions", "by", "consumers", "start", "checkpoint", "scale", "room", "shed")


def read_processing(record: Record, fleet: Fleet, problems: Problems) -> Processing | None:
    """What a scenario says of it; None, after telling why, if it makes no sense."""
    before = len(problems.found)
    room: Count | None = record.own("room")
    service_us = _service_us(record, fleet, problems)
    functions = _functions(record, problems) if record.has("serverless") else None
    partitions, consumers = record.value("partitions"), record.value("consumers")
    if functions is None and consumers > partitions:
        message = f"{consumers:,} consumers have {partitions:,} partitions: those beyond would have nothing to read"
        problems.add(wrong(record.at("consumers"), "S212", message, "write more `partitions`, or fewer `consumers`"))
    if record.own("by") == "gateway" and not any(segment.through for segment in fleet.segments):
        message = "no device is behind a gateway: all would stand in one line"
        problems.add(wrong(record.at("by"), "S212", message, "write `by: device`, or `by: site`"))
    if record.has("shed") and not record.has("room"):
        message = "`shed` says which readings are lost where there is no room, and there is room for any number"
        problems.add(wrong(record.at("shed"), "S212", message, "add `room`", record.at("shed").key_place))
    scale = (
        _scale(record.part("scale"), partitions, consumers, fleet.devices, problems) if record.has("scale") else None
    )
    if service_us is None or len(problems.found) > before:
        return None
    return Processing(
        service_us=service_us,
        by=record.value("by"),
        partitions=partitions,
        consumers=consumers,
        start_us=record.value("start"),
        checkpoint_us=record.value("checkpoint"),
        scale=scale,
        room=None if room is None else room.for_fleet(fleet.devices),
        shed=record.value("shed"),
        functions=functions,
    )


def read_stamps(record: Record) -> Stamps | None:
    """Which readings are followed; None if that cannot be told."""
    every = record.own("every")
    return None if every is None else Stamps(every, record.value("window"), record.value("lateness"))


def _service_us(record: Record, fleet: Fleet, problems: Problems) -> int | None:
    """What a reading takes; None if nobody can tell."""
    if record.has("service") == record.has("rate"):
        message = "write one of `service`, what a reading takes, and `rate`, how many go in a time"
        assert record.node is not None
        problems.add(wrong(record.node, "S212", message, "write `service: 2 ms`"))
        return None
    own: Rate | None = record.own("rate")
    if own is None:
        return None if record.own("service") is None else int(record.own("service"))
    return max(round(1_000_000 / own.for_fleet(fleet.devices)), 1)


def _functions(record: Record, problems: Problems) -> Functions:
    for key in _OF_CONSUMERS:
        if record.has(key):
            message = f"{quoted(key)} is about consumers, and `serverless` has none"
            problems.add(wrong(record.at(key), "S212", message, f"leave {quoted(key)} out", record.at(key).key_place))
    part = record.part("serverless")
    return Functions(
        cold_us=part.value("cold"),
        keep_us=part.value("keep"),
        most=part.value("most"),
        price=float(part.value("price")),
        price_per_s=float(part.value("price_per_s")),
    )


def _scale(part: Record, partitions: int, consumers: int, devices: int, problems: Problems) -> Scale | None:
    own: Count | None = part.own("lag")
    lag, busy = None if own is None else max(own.for_fleet(devices), 1), part.own("busy")
    if part.has("lag") == part.has("busy"):
        message = "a pool is scaled by its lag or by how busy it is: write one of `lag` and `busy`"
        assert part.node is not None
        problems.add(wrong(part.node, "S212", message, "write `lag: 1000`"))
        return None
    least, most = part.value("least"), part.own("most") or partitions
    if not least <= consumers <= most:
        message = f"the pool begins with {consumers:,} consumers, and may have {least:,} to {most:,}"
        key = "most" if part.has("most") and consumers > most else "least"
        node = part.at(key) if part.has(key) else part.node
        assert node is not None
        problems.add(wrong(node, "S212", message, "change `consumers`, `least` or `most`"))
    return Scale(lag, None if busy is None else float(busy), least, most, part.value("down_after"))


def check_processed(record: Record, problems: Problems) -> None:
    """Tell of figures of `processing` where there is none: they would stay 0 whatever happens.

    Args:
        record: an expectation, a step, or the stop condition.
    """
    for key, value in record.read.items():
        asked: Sequence[str] = names(value) if isinstance(value, Expression) else ()
        for word in asked:
            if word in catalogue.OF_PROCESSING:
                message = f"there is no {quoted(word)} without `processing`"
                problems.add(wrong(record.at(key), "S310", message, "add `processing: {service: 2 ms}`"))
