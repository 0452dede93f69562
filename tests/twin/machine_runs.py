"""Machines without a world, for tests."""

from twinstorm.twin.machines.conformance import Machines, some_keys, somewhere

__all__ = ["Machines", "some_keys", "somewhere"]
