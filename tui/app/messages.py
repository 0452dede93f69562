"""All messages of the application on one page. They are events in the past; actions are verbs on `StormApp`."""

from __future__ import annotations

from textual.message import Message

from twinstorm.scenarios.protocol import Answered, DeviceList


class CellOpened(Message):
    """Enter or a click on the map: somebody wants the devices behind one cell."""

    def __init__(self, group: str, cell: int) -> None:
        super().__init__()
        self.group = group
        self.cell = cell


class CursorMoved(Message):
    """The map's cursor stands on another cell."""


class RowChosen(Message):
    """Enter or a click on a row of a list."""

    def __init__(self, source: str | None, index: int) -> None:
        super().__init__()
        self.source = source
        """Id of the list widget."""
        self.index = index


class RowMarked(Message):
    """The cursor of a list moved to another row."""

    def __init__(self, source: str | None, index: int) -> None:
        super().__init__()
        self.source = source
        self.index = index


class RoomChanged(Message):
    """The map has another number of cells to give."""

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells


class Replied(Message):
    """The engine answered what this dialog asked it."""

    def __init__(self, answer: Answered) -> None:
        super().__init__()
        self.answer = answer


class DevicesListed(Message):
    """The engine answered which devices stand behind a cell."""

    def __init__(self, devices: DeviceList) -> None:
        super().__init__()
        self.devices = devices


class Pushed(Message):
    """Enter, space or a click on a push button."""

    def __init__(self, button: str | None) -> None:
        super().__init__()
        self.button = button
        """Id of the button."""


class Picked(Message):
    """Another choice of a picker."""

    def __init__(self, picker: str | None, choice: str) -> None:
        super().__init__()
        self.picker = picker
        self.choice = choice
