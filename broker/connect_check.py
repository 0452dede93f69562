"""What a CONNECT of MQTT 3.1.1 must not say. Upstream's decoder lets most of it pass, and makes up what is missing."""

from __future__ import annotations

from twinstorm.broker.amqtt_packets import MalformedError

_NAME, _LEVEL = b"\x00\x04MQTT", 4
_USER, _PASSWORD, _WILL_RETAIN, _WILL_QOS, _WILL, _RESERVED = 0x80, 0x40, 0x20, 0x18, 0x04, 0x01


def check_connect(body: bytes) -> None:
    """Is it a CONNECT? One of another version of MQTT is not looked at: it is answered elsewhere.

    Args:
        body: what follows the fixed header.

    Raises:
        MalformedError: no, by [MQTT-3.1.2] or [MQTT-1.5.3].
    """
    if not body.startswith(_NAME) or body[6:7] != bytes([_LEVEL]):
        return
    if len(body) < 10:
        raise MalformedError("a CONNECT that is cut short")
    flags, at = body[7], 10
    if flags & _RESERVED or flags & _WILL_QOS == _WILL_QOS:
        raise MalformedError("a reserved flag, or a will at QoS 3")
    if not flags & _WILL and flags & (_WILL_QOS | _WILL_RETAIN):
        raise MalformedError("what a will would be like, and no will")
    fields = ["client id", *(["will topic", "will"] if flags & _WILL else [])]
    fields += ["user"] if flags & _USER else []
    fields += ["password"] if flags & _PASSWORD else []
    for field in fields:
        end = at + 2 + int.from_bytes(body[at : at + 2])
        if at + 2 > len(body) or end > len(body):
            raise MalformedError(f"a CONNECT that ends within its {field}")
        if field not in ("will", "password"):
            _check_text(body[at + 2 : end], field)
        at = end
    if at != len(body):
        raise MalformedError("more than a CONNECT")


def _check_text(raw: bytes, field: str) -> None:
    try:
        if "\0" in raw.decode():
            raise MalformedError(f"U+0000 in the {field}")
    except UnicodeDecodeError as error:
        raise MalformedError(f"a {field} that is no UTF-8") from error
