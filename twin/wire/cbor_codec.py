"""CBOR (RFC 8949): the last level of the topic ends in ``.cbor``. Stamps are text as in JSON; tagged ones are read too.

Two equal keys in a map make a payload invalid, as the RFC has it. What follows the document is not looked at.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import cbor2
import msgspec

Document = TypeVar("Document", bound=msgspec.Struct)

DEEPEST: Final = 32
"""Levels of nesting: eight times what a document has."""


def encode(document: Any) -> bytes:
    return cbor2.dumps(msgspec.to_builtins(document))


def decode(payload: bytes, kind: type[Document]) -> Document:
    """Parse and check.

    Raises:
        Exception: any, if the payload is not such a document; see `codecs`.
    """
    return msgspec.convert(_loaded(payload), kind)


def plain(payload: bytes) -> dict[str, Any]:
    """Any document, as plain data; raises as `decode`."""
    return msgspec.convert(_loaded(payload), dict[str, Any])


def _loaded(payload: bytes) -> Any:
    return cbor2.loads(payload, max_depth=DEEPEST, allow_duplicate_keys=False, strict_hashable_types=True)
