"""How residuals are called; apart from `mirror`, which is too heavy for whoever only checks names."""

from __future__ import annotations


def residual_name(channel: str) -> str:
    """Channel in which a device's distance from its twin is told.

    Example:
        >>> residual_name("flow_m3_h")
        'residual_flow_m3_h'
    """
    return f"residual_{channel}"
