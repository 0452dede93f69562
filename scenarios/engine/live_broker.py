"""The broker of a live run, the embedded one or somebody else's: how it is opened, who gets in, how it is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from twinstorm.broker.admission import Admission
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.file_limit import SPARE, raise_file_limit
from twinstorm.broker.front import Front
from twinstorm.broker.guest_files import DeviceFiles, GuestFiles
from twinstorm.broker.limits import Limits
from twinstorm.broker.modelled import BrokerSettings
from twinstorm.broker.tls import ClientTls
from twinstorm.broker.url import BrokerUrl, parse_url
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.run import RunOptions
from twinstorm.twin.flow import Device
from twinstorm.twin.wire.wires import Ear

if TYPE_CHECKING:
    from twinstorm.broker.run_certificates import RunCertificates


@dataclass
class LiveBroker:
    """Attributes:
    target: where it is, and who core and devices are to it.
    embedded: None: it is not ours.
    papers: certificates made for this run.
    """

    target: BrokerUrl
    settings: BrokerSettings
    options: RunOptions
    embedded: EmbeddedBroker | None = None
    papers: RunCertificates | None = None
    _guest_files: GuestFiles | None = field(default=None, init=False)
    _device_files: DeviceFiles | None = field(default=None, init=False)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.target.host}:{self.target.port}"

    @property
    def is_encrypted(self) -> bool:
        return self.papers is not None or self.target.secure

    @property
    def core_tls(self) -> ClientTls | None:
        """Who the core is over TLS, and whom it trusts; None: no TLS."""
        return self.options.broker_tls if self.target.secure else None if self.papers is None else self.papers.core

    @property
    def devices_tls(self) -> Mapping[str, ClientTls] | ClientTls | None:
        """The same of the devices: one for all, or each its own by name."""
        return self.options.broker_tls if self.target.secure else None if self.papers is None else self.papers.devices

    @property
    def username(self) -> str | None:
        """Of all devices; None: each has its own name."""
        return None if self.embedded is not None else self.target.username

    def passwords(self, devices: int) -> tuple[str, ...]:
        """One a device."""
        if self.embedded is not None:
            return tuple(self.embedded.device_passwords)
        return tuple([self.target.password or ""] * devices)

    def begin(self, crowd: Front | None) -> None:
        """The fleet has gathered: the limits of the scenario hold from now on."""
        if self.embedded is None:
            return
        rate = self.settings.connect_rate
        burst, queue = self.settings.connect_burst, self.settings.connect_queue
        alone = None if rate is None else Admission(rate, burst, queue)
        self.embedded.begin(alone if crowd is None else crowd)

    def papers_for(self, fleet: Sequence[str], real: Device) -> str:
        """How real devices get in under the names that the run has for them; once.

        Args:
            fleet: names of all devices. real: which of them.

        Raises:
            Unavailable: what they need cannot be written.
        """
        names = [fleet[device] for device in real.tolist()]
        told = f"{len(names):,} real device{'s' * (len(names) != 1)}: {self.address}, client ids as their names"
        if self.embedded is None:
            return told
        if self.papers is not None:
            given = {name: str(self.papers.devices[name].certificate) for name in names}
            what = f"certificate with its key, a line each, authority {self.papers.core.ca}"
        else:
            given = dict(zip(fleet, self.embedded.device_passwords, strict=True))
            what = "password, a line each"
        try:
            self._device_files = DeviceFiles({name: given[name] for name in names})
        except OSError as error:
            raise _no_folder("passwords", error) from error
        return f"{told}; name and {what}: {self._device_files.path}, which only you may read"

    def invitation(self) -> str:
        """How another client gets in while the broker is held open."""
        if self.embedded is None:
            return f"{self.address} stays as it was"
        if self.papers is not None and self.papers.guest.certificate is not None:
            self.embedded.guests_may_come()
            ca, pair = self.papers.guest.ca, self.papers.guest.certificate
            papers = f"--cafile {ca} --cert {pair} --key {pair}"
            return f"mosquitto_sub -h 127.0.0.1 -p {self.target.port} {papers} -t 'fleet/#'"
        if self._guest_files is None:
            try:
                self._guest_files = GuestFiles("127.0.0.1", self.target.port, *self.embedded.guest_credentials())
            except OSError as error:
                raise _no_folder("a password", error) from error
        files = self._guest_files
        return (
            f"{files.command('fleet/#')}\n"
            f"other clients: port {self.target.port}, name and password in {files.credentials}, "
            "which only you may read"
        )

    def close(self) -> None:
        """End what is ours."""
        for files in (self._guest_files, self._device_files):
            if files is not None:
                files.close()
        if self.embedded is not None:
            self.embedded.close()
        if self.papers is not None:
            self.papers.close()


def open_broker(
    options: RunOptions,
    settings: BrokerSettings,
    names: Sequence[str],
    through: Mapping[str, str],
    ear: Ear,
    now_us: Callable[[], int],
    speed: Fraction,
) -> LiveBroker:
    """The broker that the options ask for.

    Args:
        names: devices.
        through: those without a client of their own, and who speaks for them.

    Raises:
        Unavailable: no port, no room for certificates, or too few open files.
    """
    sure_of_files(len(names) - len(through), 2)
    papers = _certify([name for name in names if name not in through]) if options.tls else None
    if options.broker_url is not None:
        target, login = parse_url(options.broker_url), options.broker_login
        target = target if login is None else replace(target, username=login.user, password=login.password)
        return LiveBroker(target, settings, options, papers=papers)
    embedded = EmbeddedBroker(
        list(names),
        now_us=now_us,
        speed=speed,
        limits=Limits(offline_messages=settings.offline_queue),
        core_per_s=settings.message_rate,
        core_queue=settings.message_queue,
        seed=options.seed,
        through=through,
        tls=None if papers is None else papers.server,
        ear=ear,
        papers=papers,
    )
    try:
        port = embedded.open()
    except OSError as error:
        embedded.close()
        if papers is not None:
            papers.close()
        raise Unavailable(
            "a port of 127.0.0.1 for the embedded broker",
            error.strerror or str(error),
            "The system chooses a free one: has this machine sockets left?",
        ) from error
    target = BrokerUrl(host="127.0.0.1", port=port)
    if papers is None:
        user, password = embedded.core_credentials
        target = replace(target, username=user, password=password)
    return LiveBroker(target, settings, options, embedded, papers)


def sure_of_files(clients: int, better: int = 0, proxied: int = 0) -> None:
    """Raise the limit of open files of this process and of those to come, as it is needed for so many devices.

    Args:
        clients: devices with a client of their own; each has a socket in the worker, and one here.
        better: sockets a device that are asked for, but not insisted upon: a device may be back before the broker
            has noticed that its former connection is dead.
        proxied: how many of them connect through the fault proxy, whose two sockets are in the worker as well.

    Raises:
        Unavailable: the system allows too few.
    """
    needed = clients + 2 * proxied + SPARE
    limit = raise_file_limit(max(needed, better * clients + SPARE))
    if limit < needed:
        raise Unavailable(
            f"room for {clients:,} devices",
            f"they need {needed:,} open files in a process, and it may have {limit:,} (ulimit -n)",
            f"Raise the hard limit (ulimit -n {needed}), or take fewer with --devices",
        )


def _certify(names: Sequence[str]) -> RunCertificates:
    from twinstorm.broker.run_certificates import RunCertificates

    try:
        return RunCertificates(names, datetime.now(UTC))
    except OSError as error:
        raise _no_folder("certificates", error) from error


def _no_folder(what: str, error: OSError) -> Unavailable:
    reason = error.strerror or str(error)
    return Unavailable(f"a temporary folder for {what}", reason, "Free some space, or set TMPDIR.")
