"""Versions of documents: what may change, what may not, and what becomes of a document of each."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from twinstorm.twin.flow import Channel
from twinstorm.twin.wire.codecs import Reading, decode_reading
from twinstorm.twin.wire.documents import Measurement
from twinstorm.twin.wire.layout import layouts
from twinstorm.twin.wire.schemas import Incompatible, Schema, Schemas, breaks

HEAT = Channel("temperature_c", "C", -40.0, 150.0, 0.1)
CURRENT = Channel("current_a", "A", 0.0, 50.0, 0.01)
SHAKE = Channel("vibration_x_mm_s", "mm/s", 0.0, 50.0, 0.01)
KNOWN = {"motor": (HEAT, CURRENT), "pump": (HEAT,)}
FIRST = Schema("motor", 1, KNOWN["motor"])


def schema(*channels: Channel, version: int = 2, required: tuple[str, ...] = ()) -> Schema:
    return Schema("motor", version, channels, frozenset(required))


def document(**changes: Any) -> bytes:
    told = {
        "deviceId": "a/m-1",
        "deviceType": "motor",
        "timestamp": "2030-01-07T00:00:00Z",
        "measurements": {"temperature_c": 20.0, "current_a": 5.0},
        "boot": 1,
        "seq": 1,
        "schema": 2,
    }
    return json.dumps(told | changes).encode()


@pytest.mark.parametrize(
    ("newer", "why"),
    [
        (schema(HEAT, CURRENT), None),
        (schema(HEAT, CURRENT, SHAKE), None),
        (schema(CURRENT, HEAT), None),
        (schema(Channel("temperature_c", "C", -60.0, 200.0, 0.05), CURRENT), None),
        (schema(HEAT), "`current_a` is removed"),
        (schema(Channel("temperature_c", "K", -40.0, 150.0, 0.1), CURRENT), "`temperature_c` is in K instead of C"),
        (
            schema(Channel("temperature_c", "C", 0.0, 150.0, 0.1), CURRENT),
            "`temperature_c` is narrowed from -40 .. 150 to 0 .. 150",
        ),
        (
            schema(HEAT, CURRENT, SHAKE, required=("vibration_x_mm_s",)),
            "`vibration_x_mm_s` is new and required: make it optional",
        ),
        (schema(HEAT, CURRENT, required=("current_a",)), "`current_a` was optional and is required"),
    ],
)
def test_what_may_change_between_versions(newer: Schema, why: str | None) -> None:
    assert breaks(FIRST, newer) == (() if why is None else (why,))
    schemas = Schemas(KNOWN)
    if why is None:
        schemas.add(newer)
        return
    with pytest.raises(Incompatible) as error:
        schemas.add(newer)
    assert error.value.problems == (why,)
    assert not schemas.reads(2)


def test_a_field_may_become_optional_and_each_version_is_held_against_the_newest() -> None:
    asks = Schema("motor", 1, KNOWN["motor"], frozenset({"current_a"}))
    assert breaks(asks, schema(HEAT, CURRENT)) == ()
    schemas = Schemas(KNOWN)
    schemas.add(schema(HEAT, CURRENT, SHAKE))
    with pytest.raises(Incompatible, match="`vibration_x_mm_s` is removed"):
        schemas.add(schema(HEAT, CURRENT, version=3))
    with pytest.raises(ValueError, match="not newer than 2"):
        schemas.add(schema(HEAT, CURRENT, SHAKE))
    with pytest.raises(ValueError, match="unknown kind `toaster`; there are motor, pump"):
        schemas.add(Schema("toaster", 2, ()))


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({}, (20.0, 5.0)),
        ({"measurements": {"temperature_c": 20.0, "vibration": {"x": 1.0}}}, (20.0, math.nan)),
        ({"measurements": {"vibration": {"x": None}}}, (math.nan, math.nan)),
        ({"measurements": {"vibration": {"x": 51.0}}}, "value out of range: vibration_x_mm_s 51 mm/s, allowed 0 .. 50"),
        ({"measurements": {"vibration": {"y": 1.0}}}, "motor has no such measurement: 'vibration.y'"),
        ({"schema": 3}, "unknown schema 3"),
        ({"deviceType": "pump", "measurements": {}}, "unknown schema 2"),
        ({"schema": 1, "measurements": {"vibration": {"x": 1.0}}}, "motor has no such measurement: 'vibration.x'"),
    ],
)
def test_documents_of_a_compatible_version_are_read_as_what_the_core_knows(changes: Any, values: Any) -> None:
    schemas = Schemas(KNOWN)
    schemas.add(schema(HEAT, CURRENT, SHAKE))
    found = decode_reading(document(**changes), "json", layouts(KNOWN), schemas)
    if isinstance(values, str):
        assert found == values
    else:
        assert isinstance(found, Reading)
        assert found.values == pytest.approx(values, nan_ok=True)


def test_a_document_without_a_required_field_is_refused_a_silent_one_is_not() -> None:
    schemas = Schemas({"motor": (HEAT,)})
    schemas.accept(2)
    asking = Schemas({"motor": (HEAT, SHAKE)})
    asking._versions["motor"][2] = schema(HEAT, SHAKE, required=("vibration_x_mm_s",))
    cases: tuple[tuple[dict[str, Measurement], Any], ...] = (
        ({"temperature_c": 1.0}, "motor of schema 2 lacks `vibration_x_mm_s`"),
        ({"vibration": {}}, "motor of schema 2 lacks `vibration_x_mm_s`"),
        ({"vibration": {"x": None}}, (math.nan, math.nan)),
    )
    for measurements, wanted in cases:
        found = asking.values("motor", 2, measurements, None)
        assert found == wanted or found == pytest.approx(wanted, nan_ok=True)
    assert schemas.values("motor", 2, {"temperature_c": 1.0}, None) == (1.0,)


def test_a_number_alone_can_be_accepted() -> None:
    schemas = Schemas(KNOWN)
    assert decode_reading(document(), "json", layouts(KNOWN), schemas) == "unknown schema 2"
    schemas.accept(2)
    found = decode_reading(document(), "json", layouts(KNOWN), schemas)
    assert isinstance(found, Reading)
    assert found.values == (20.0, 5.0)
    assert decode_reading(document(), "json", layouts(KNOWN)) == "unknown schema 2"
