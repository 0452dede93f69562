"""Names of firmware images where twins and the language of scenarios must agree on them."""

from __future__ import annotations


def image_step(version: str) -> str:
    """Name of what an image does by itself, as a step: no step of a file can have it."""
    return f"firmware={version}"
