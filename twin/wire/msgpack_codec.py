"""MessagePack: the last level of the topic ends in ``.msgpack``. Stamps use its own type; of two equal keys the last
one counts."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

Document = TypeVar("Document", bound=msgspec.Struct)

_encoder = msgspec.msgpack.Encoder()
_plain = msgspec.msgpack.Decoder(dict[str, Any])


def encode(document: Any) -> bytes:
    return _encoder.encode(document)


def decode(payload: bytes, kind: type[Document]) -> Document:
    """Parse and check.

    Raises:
        Exception: any, if the payload is not such a document; see `codecs`.
    """
    document: Document = _decoder(kind).decode(payload)
    return document


def plain(payload: bytes) -> dict[str, Any]:
    """Any document, as plain data; raises as `decode`."""
    return _plain.decode(payload)


@cache
def _decoder(kind: type[msgspec.Struct]) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)
