"""Injection, second step: a form of only what the fault needs. The engine says how many devices it would hit."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from twinstorm.scenarios.protocol import Answered, FaultInfo, FaultSetting, Inject
from twinstorm.tui.app.lines import clean
from twinstorm.tui.app.messages import Pushed, Replied
from twinstorm.tui.app.numbers import parse_duration
from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.widgets.picker import Picker
from twinstorm.tui.app.widgets.push import Push

DEFAULT_LASTS = "120 s"


@dataclass(frozen=True)
class Prepared:
    """A fault ready to be asked about: the order, and the devices that it would hit now."""

    order: Inject
    reach: int


class InjectFormDialog(Dialog[Prepared]):
    """Enter in a field goes on to the question; a refusal stays here, in words."""

    about_faults = about_run = True

    def __init__(self, fault: FaultInfo, target: str) -> None:
        super().__init__(f"Inject: {fault.name}")
        self._fault = fault
        self._target = target
        self._asked: Inject | None = None

    def inside(self) -> ComposeResult:
        sites = self.host.board.hello.sites if self.host.board.hello is not None else []
        fields = []
        if self._fault.needs_target:
            fields.append(_field("target", Input(self._target, compact=True, id="target", select_on_focus=False)))
            some = ", ".join(sites[:8]) + (", ..." if len(sites) > 8 else "")
            fields.append(_field("", Static(Content(clean(f"sites: {some}; `all` for every device")), classes="hint")))
        fields.append(_field("lasts", Input(DEFAULT_LASTS, compact=True, id="lasts", select_on_focus=False)))
        fields.append(_field("", Static(Content("then ends by itself; empty: until I end it"), classes="hint")))
        for number, setting in enumerate(self._fault.settings):
            fields.append(_field(setting.name, _editor(setting, f"setting-{number}")))
            fields.append(_field("", Static(Content(clean(setting.summary)), classes="hint")))
        yield VerticalScroll(*fields, id="fields", can_focus=False)
        yield Static(id="answer", classes="answer")
        yield Horizontal(
            Push("Cancel", widget_id="cancel"), Push("Go on to the question", widget_id="next"), classes="buttons"
        )

    def on_mount(self) -> None:
        self.query("#fields Input, #fields Picker").first().focus()

    def awaits(self, answer: Answered) -> bool:
        return self._asked is not None and answer.to == Inject.__name__

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._ask()

    def on_pushed(self, event: Pushed) -> None:
        event.stop()
        if event.button == "next":
            self._ask()
        else:
            self.action_cancel()

    def on_replied(self, event: Replied) -> None:
        order, self._asked = self._asked, None
        if order is None:
            return
        if not event.answer.ok:
            self._say(event.answer.text)
        elif event.answer.reach < 1 and self._fault.needs_target:
            self._say(f"0 of {self.host.board.devices:,} devices match `{order.target}`.")
        else:
            self.dismiss(Prepared(order, event.answer.reach))

    def _ask(self) -> None:
        if self.hidden or self._asked is not None:
            return
        try:
            order = self._order()
        except ValueError as error:
            self._say(str(error))
            return
        if self.host.tell(_dry(order)):
            self._asked = order
            self._say("Asking the engine how many devices that is.")

    def _order(self) -> Inject:
        """What the fields say.

        Raises:
            ValueError: a field is wrong; the text names it.
        """
        target = self.query_one("#target", Input).value.strip() if self._fault.needs_target else ""
        if self._fault.needs_target and not target:
            raise ValueError("target is empty: write e.g. `site=fra-*`, or `all`")
        lasts = self.query_one("#lasts", Input).value.strip()
        settings = {}
        for number, setting in enumerate(self._fault.settings):
            editor = self.query_one(f"#setting-{number}")
            value = editor.value.strip() if isinstance(editor, Input | Picker) else ""
            if value != setting.default:
                settings[setting.name] = value
        return Inject(
            fault=self._fault.name,
            target=target,
            lasts_us=parse_duration(lasts) if lasts else None,
            settings=settings,
        )

    def _say(self, words: str) -> None:
        self.query_one("#answer", Static).update(Content(clean(words, ascii_only=self.host.signs.ascii)))


def _field(name: str, editor: Widget) -> Horizontal:
    return Horizontal(Static(Content(clean(name)), classes="name"), editor, classes="field")


def _editor(setting: FaultSetting, editor_id: str) -> Widget:
    if setting.choices:
        return Picker(setting.choices, setting.default, widget_id=editor_id)
    return Input(setting.default, compact=True, id=editor_id, select_on_focus=False)


def _dry(order: Inject) -> Inject:
    return Inject(fault=order.fault, target=order.target, lasts_us=order.lasts_us, settings=order.settings, dry=True)
