"""JSON: the last level of the topic names no codec.

Two equal keys in an object make a payload invalid: nobody knows which one was meant (RFC 8259, section 4).
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

import msgspec

Document = TypeVar("Document", bound=msgspec.Struct)

_encoder = msgspec.json.Encoder()
_plain = msgspec.json.Decoder(dict[str, Any])


def encode(document: Any) -> bytes:
    return _encoder.encode(document)


def decode(payload: bytes, kind: type[Document]) -> Document:
    """Parse and check.

    Raises:
        Exception: any, if the payload is not such a document; see `codecs`.
    """
    document: Document = _decoder(kind).decode(payload)
    _check_keys(payload)
    return document


def plain(payload: bytes) -> dict[str, Any]:
    """Any document, as plain data; raises as `decode`."""
    document: dict[str, Any] = _plain.decode(payload)
    _check_keys(payload)
    return document


def _check_keys(payload: bytes) -> None:
    """Of a payload that was parsed.

    Raises:
        ValueError: an object has a key twice.
    """
    if b"\\" not in payload:
        parts = payload.split(b'"')
        # Without escapes every second part is a text, and one with a colon behind it a key.
        keys = [text for text, after in zip(parts[1::2], parts[2::2], strict=True) if after.lstrip().startswith(b":")]
        if len(set(keys)) == len(keys):
            return
    # The same key in two objects, or one that is written with escapes: slower, and sure.
    json.loads(payload, object_pairs_hook=_distinct, parse_int=str, parse_float=str)


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"the key `{key}` stands there twice")
        seen.add(key)


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
