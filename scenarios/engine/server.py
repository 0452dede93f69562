"""The engine process: one run, one Unix socket, one front end at a time.

Started by `start_engine` as a child with a pipe on its standard input; it leaves when that pipe or the socket closes.
Two small threads move bytes, so that the simulation never waits for a screen: the newest frame replaces an unread one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

import msgspec

from twinstorm.scenarios.protocol import AbortAll, Command, Ended, Event, Frame, Loading, Quit
from twinstorm.twin.plugins import PluginError

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.attended import Attended

_LENGTH = struct.Struct(">I")
LARGEST_BYTES = 64 * 2**20
START_TIMEOUT_S = 60.0
TOLD_TO_LEAVE = 143
_LOOK_S = 0.2

_encode_event = msgspec.msgpack.Encoder().encode
_decode_command = msgspec.msgpack.Decoder(Command).decode
encode_command = msgspec.msgpack.Encoder().encode
decode_event = msgspec.msgpack.Decoder(Event).decode


class LiveRequest(msgspec.Struct, kw_only=True):
    """What is asked of a live run. It may carry a password: it goes through a pipe and is never printed.

    Attributes:
        user, password: who core and devices are to `broker_url`; None: what its address says.
        ca, certificate, key: files, for a broker over TLS.
        words: of the command line, for the command that repeats the run.
    """

    broker_url: str | None = None
    login: bool = False
    user: str | None = None
    password: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    tls: bool = False
    yes: bool = False
    max_connects_per_s: int | None = None
    words: list[str] = []


class WebhookRequest(msgspec.Struct, kw_only=True):
    """Where alarms are sent while the run goes on. It may carry a key: it goes through a pipe and is never printed.

    Attributes:
        key: signs messages; None: they are not signed.
        anywhere: somebody agreed to another machine than this one.
    """

    url: str
    key: bytes | None = None
    anywhere: bool = False


class EngineRequest(msgspec.Struct, kw_only=True):
    """What a parent asks its engine process to play; one line of JSON on standard input.

    Attributes:
        live: over real sockets, and how; None: in virtual time.
        webhook: None: nobody is told of alarms.
    """

    scenario: str
    settings: list[str] = []
    devices: int | None = None
    seed: int = 1
    until_us: int | None = None
    speed: float = 1.0
    out: str = "runs"
    live: LiveRequest | None = None
    webhook: WebhookRequest | None = None
    socket: str


def pack(body: bytes) -> bytes:
    """One message as it goes over the socket: length, then MessagePack."""
    return _LENGTH.pack(len(body)) + body


def read_message(stream: IO[bytes]) -> bytes | None:
    """The next message, or None when the other side is gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > LARGEST_BYTES:
        return None
    body = stream.read(length)
    return body if len(body) == length else None


class Outbox:
    """What waits to be sent: everything in order, but only the newest frame."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._frame: Frame | None = None
        self._closed = False

    def put(self, event: Event) -> None:
        with self._ready:
            if isinstance(event, Frame):
                self._frame = event
            else:
                self._waiting.append(event)
            self._ready.notify()

    def take(self) -> Event | None:
        """The next event; None once closed and empty."""
        with self._ready:
            while not self._waiting and self._frame is None and not self._closed:
                self._ready.wait()
            if self._frame is not None and not (self._waiting and isinstance(self._waiting[0], Ended)):
                # A frame goes before the end of the run, after everything else that was told earlier.
                if self._waiting:
                    return self._waiting.popleft()
                frame, self._frame = self._frame, None
                return frame
            return self._waiting.popleft() if self._waiting else None

    def close(self) -> None:
        with self._ready:
            self._closed = True
            self._ready.notify()


class Line:
    """The connected front end, seen from the engine's loop.

    Attributes:
        abort_came, quit_came: set as soon as such a command arrives, before the loop obeys it: what waits for sockets
            asks for them.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.outbox = Outbox()
        self.commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.gone = threading.Event()
        self.abort_came = self.quit_came = False
        self._sender = threading.Thread(target=self._send, name="twinstorm-send", daemon=True)
        self._reader = threading.Thread(target=self._read, name="twinstorm-read", daemon=True)
        self._sender.start()
        self._reader.start()

    def _send(self) -> None:
        try:
            while (event := self.outbox.take()) is not None:
                self._connection.sendall(pack(_encode_event(event)))
        except OSError:
            self.gone.set()

    def _read(self) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError), self._connection.makefile("rb") as stream:
            while (body := read_message(stream)) is not None:
                command = _decode_command(body)
                self.abort_came |= isinstance(command, AbortAll)
                self.quit_came |= isinstance(command, Quit)
                self.commands.put(command)
        self.gone.set()

    def close(self) -> None:
        """Send what waits, then hang up."""
        self.outbox.close()
        self._sender.join(timeout=5.0)
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def start_engine(request: EngineRequest) -> subprocess.Popen[bytes]:
    """Start an engine process; its socket listens when this returns.

    Args:
        request: `socket` may be empty: a private folder is made and its path written back.

    Raises:
        EngineError: if it does not come up; the text is what it said.
    """
    from twinstorm.scenarios.engine.errors import EngineError

    if not request.socket:
        request.socket = str(Path(tempfile.mkdtemp(prefix="twinstorm-")) / "s")
    process = subprocess.Popen(
        [sys.executable, "-m", "twinstorm.scenarios.engine.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # What the terminal signals is for the screen alone.
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # It has gone already; what it said, or that it said nothing, is below.
        process.stdin.write(msgspec.json.encode(request) + b"\n")
        process.stdin.flush()
    if process.stdout.readline().strip() != b"listening":
        said = process.communicate()[1].decode(errors="replace")
        remove_socket(request.socket)
        raise EngineError(said.strip() or "the engine process ended without a word")
    return process


def remove_socket(path: str) -> None:
    """Remove a socket and the private folder that `start_engine` made for it."""
    folder = Path(path).parent
    if folder.name.startswith("twinstorm-"):
        shutil.rmtree(folder, ignore_errors=True)


class Leaving:
    """SIGTERM and SIGHUP end the run as if the screen had gone, with its report. Before there is a run: at once.

    Attributes:
        told: a signal has come. A flag, not an event: a handler may stop the main thread inside one.
    """

    def __init__(self) -> None:
        self.told = False
        self._at_once = True
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._handle)

    def from_now_on_with_a_report(self) -> None:
        self._at_once = False

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.told = True
        if self._at_once:
            sys.exit(TOLD_TO_LEAVE)


def main() -> int:
    """Body of the engine process."""
    leaving = Leaving()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=EngineRequest)
    try:
        return _play_one(request, leaving)
    finally:
        remove_socket(request.socket)


def _play_one(request: EngineRequest, leaving: Leaving) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(request.socket)
        Path(request.socket).chmod(0o600)
        listener.listen(1)
        sys.stdout.write("listening\n")
        sys.stdout.flush()
        threading.Thread(target=_leave_with_parent, args=(request.socket,), daemon=True).start()
        connection, _ = listener.accept()
    line = Line(connection)
    leaving.from_now_on_with_a_report()
    try:
        _serve(request, line, leaving)
    except Exception as error:  # told to the front end, then the process ends
        code, text = _told(error)
        traceback.print_exc()
        line.outbox.put(Ended(ended="failed", verdict="inconclusive", exit_code=code, report="", text=text))
        return code
    finally:
        line.close()
    return TOLD_TO_LEAVE if leaving.told else 0


def _told(error: Exception) -> tuple[int, str]:
    """Exit code and words for what ended the engine."""
    from twinstorm.scenarios.engine.errors import Unavailable
    from twinstorm.scenarios.verdict import ExitCode

    if isinstance(error, Unavailable):
        return ExitCode.UNAVAILABLE, str(error)
    return ExitCode.BUG, str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


def _leave_with_parent(path: str) -> None:
    """End when the parent's pipe closes: no engine outlives its screen."""
    # Past the buffer: a thread that holds its lock would abort the interpreter as it ends.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    time.sleep(10.0)  # the socket has closed as well: the loop finishes the run and its report first
    remove_socket(path)
    os._exit(143)


def _serve(request: EngineRequest, line: Line, leaving: Leaving) -> None:
    line.outbox.put(Loading(what=f"Placing the devices of {request.scenario}", share=0.0))
    from twinstorm.scenarios.engine.attended import Attended

    def is_left() -> bool:
        return line.gone.is_set() or leaving.told

    def ends_at_once() -> bool:
        return line.abort_came or is_left()

    run = Attended(request, line.outbox.put, lambda: line.quit_came or ends_at_once(), ends_at_once)
    try:
        run.begin()
        _play(run, line, is_left)
        ended = run.end()
    except Exception as error:
        run.fail(error)
        raise
    finally:
        run.close()
    line.outbox.put(ended)
    while not (run.session.leaving or leaving.told or line.gone.wait(_LOOK_S)):
        pass  # the screen looks at the verdict until it quits


def _play(run: Attended, line: Line, is_left: Callable[[], bool]) -> None:
    while not run.over:
        while not line.commands.empty():
            answer = run.session.obey(line.commands.get())
            if answer is not None:
                line.outbox.put(answer)
        if is_left():
            run.leave()
            break
        run.go_on()
        line.outbox.put(run.session.frame())
        line.gone.wait(run.session.pace.idle_s())


if __name__ == "__main__":
    sys.exit(main())
