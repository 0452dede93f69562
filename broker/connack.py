"""Return codes of a CONNACK in MQTT 3.1.1."""

from __future__ import annotations

from typing import Final

OTHER_VERSION: Final = 1
UNAVAILABLE: Final = 3
BAD_CREDENTIALS: Final = 4
NOT_AUTHORISED: Final = 5
OF_IDENTITY: Final = frozenset({BAD_CREDENTIALS, NOT_AUTHORISED})
"""They speak of who asks."""
