"""A certificate authority in a folder: for real devices beside the twins, and for brokers that check them.

    ca.pem  ca.key  crl.pem  issued.json
    issued/fra-1/motors-0001/_1/cert.pem, key.pem       first pair of that name; a renewal makes `_2`, and so on

Private keys are readable by their owner only, from their first byte on; a pair appears as a whole, and nothing that
was issued is ever overwritten. `issued.json` knows of a certificate before it exists, so that each can be revoked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from twinstorm.broker.certificates import BACKDATED, LOOPBACK, Signer, check_host, whole_second
from twinstorm.broker.identity import Role
from twinstorm.broker.private_files import (
    PRIVATE,
    PUBLIC,
    make_folder,
    only_one,
    others_may_read,
    replace_whole,
)

CA_LASTS = timedelta(weeks=520)
LEAF_LASTS = timedelta(days=90)
SHORTEST = timedelta(seconds=1)
LONGEST_NAME = 200
SCHEMA = "twinstorm/pki/1"

CA_CERTIFICATE, CA_KEY, REVOKED, INDEX, ISSUED = "ca.pem", "ca.key", "crl.pem", "issued.json", "issued"
CERTIFICATE, KEY = "cert.pem", "key.pem"

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")


class PkiError(Exception):
    """What was asked for cannot be done, and nothing was.

    Attributes:
        what, hint: for people.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"{what}; {hint}")
        self.what, self.hint = what, hint


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate, as `issued.json` knows it.

    Attributes:
        number: of its name, from 1; a renewal is the next.
        serial: hexadecimal, lower case.
        valid_from, valid_until: whole seconds, both inclusive.
        hosts: names and addresses of a server.
    """

    name: str
    role: Role
    number: int
    serial: str
    valid_from: datetime
    valid_until: datetime
    hosts: tuple[str, ...] = ()
    revoked_at: datetime | None = None

    @property
    def folder(self) -> str:
        """Below the authority's folder."""
        return f"{ISSUED}/{self.name}/_{self.number}"

    def state(self, now: datetime) -> str:
        """``revoked``, ``expired`` or ``valid``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if whole_second(now) > self.valid_until else "valid"


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """`issued.json`.

    Attributes:
        lists: how many lists of revoked certificates there have been.
        last_update, next_update: of the newest of them.
    """

    schema: str = SCHEMA
    certificates: tuple[Issued, ...] = ()
    lists: int = 0
    last_update: datetime
    next_update: datetime


@dataclass(frozen=True)
class Pair:
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


class Authority:
    """An authority that was made before; every call reads its folder anew, for several may work on it.

    Raises (all calls):
        PkiError: see there.
        OSError: a file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        missing = [name for name in (CA_CERTIFICATE, CA_KEY, REVOKED, INDEX) if not (folder / name).is_file()]
        if missing:
            raise PkiError(
                f"{folder} holds no certificate authority: {', '.join(missing)} is not there",
                f"make one: twinstorm pki init --dir {folder}",
            )

    @classmethod
    def create(cls, folder: Path, now: datetime, lasts: timedelta = CA_LASTS, name: str = "twinstorm") -> Authority:
        """Make a new one, with an empty list of revoked certificates: without any, a peer that asks for it refuses all.

        Raises:
            PkiError: the folder has something in it, or the authority would never be valid.
        """
        _check_lasts(lasts)
        files = [above for above in folder.parents if above.exists() and not above.is_dir()]
        if files:
            raise PkiError(f"{files[0]} is not a folder: nothing was written", "name another folder with --dir")
        signer = Signer.create(name, now, lasts)
        last_update = whole_second(now) - BACKDATED
        index = Index(lists=1, last_update=last_update, next_update=signer.valid_until)
        try:
            make_folder(
                folder,
                {
                    CA_KEY: (signer.key_pem, PRIVATE),
                    CA_CERTIFICATE: (signer.certificate_pem, PUBLIC),
                    REVOKED: (signer.revocation_list({}, 1, last_update, signer.valid_until), PUBLIC),
                    INDEX: (_encoded(index), PRIVATE),
                },
            )
        except FileExistsError:
            what = "holds an authority already" if (folder / CA_CERTIFICATE).exists() else "is not an empty folder"
            raise PkiError(f"{folder} {what}: nothing was written", "name another folder with --dir") from None
        return cls(folder)

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def certificate(self) -> Path:
        """What devices and brokers must trust."""
        return self.folder / CA_CERTIFICATE

    @property
    def revoked(self) -> Path:
        """What brokers must load, and load again after each revocation."""
        return self.folder / REVOKED

    def index(self) -> Index:
        path = self.folder / INDEX
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Index)
        except msgspec.MsgspecError as error:
            raise PkiError(f"{path} is unreadable: {error}", "restore it from a backup") from error
        if found.schema != SCHEMA:
            raise PkiError(f"{path} is of schema {found.schema}, not {SCHEMA}", "use the version that wrote it")
        return found

    def issued(self, name: str | None = None) -> list[Issued]:
        """All certificates, or those of one name, in the order in which they were made."""
        return [one for one in self.index().certificates if name in (None, one.name)]

    def newest(self, name: str) -> Issued:
        """The newest certificate of a name.

        Raises:
            PkiError: it has none.
        """
        return _newest(self.index(), name)

    def pair(self, issued: Issued) -> Pair:
        """Its files.

        Raises:
            PkiError: they are not there any more, or others may read the key.
        """
        folder = self.folder / issued.folder
        pair = Pair(folder / CERTIFICATE, folder / KEY)
        gone = [str(path) for path in (pair.certificate, pair.key) if not path.is_file()]
        if gone:
            raise PkiError(f"{' and '.join(gone)} is gone", f"twinstorm pki renew {issued.name}")
        _check_private(pair.key)
        return pair

    def check_list(self, now: datetime) -> None:
        """Make sure that brokers can load the list of revoked certificates: one past its time refuses everybody.

        Raises:
            PkiError: it is past its time, or of the future.
        """
        index = self.index()
        if whole_second(now) > index.next_update:
            raise PkiError(f"{self.revoked} was to be renewed by {_time(index.next_update)}", "twinstorm pki crl")
        if whole_second(now) < index.last_update:
            raise PkiError(f"{self.revoked} is of the future, {_time(index.last_update)}", "look at the clock")

    # --- changing -----------------------------------------------------------------------------------------------------

    def issue(
        self,
        names: Sequence[str],
        role: Role,
        now: datetime,
        lasts: timedelta | None = None,
        hosts: Sequence[str] = LOOPBACK,
    ) -> list[Issued]:
        """First certificates of these names; all or none.

        Args:
            lasts: None: 90 days, or as long as the authority lasts if that is less.
            hosts: names and addresses under which a server is reached.

        Raises:
            PkiError: a name is no name or has a certificate, or the authority does not last so long.
        """
        _check_names(names)
        if role is Role.SERVER:
            _check_hosts(hosts)
        with only_one(self.folder):
            index = self.index()
            known = {one.name.casefold(): one for one in index.certificates}
            for name in names:
                if (one := known.get(name.casefold())) is not None:
                    raise PkiError(
                        f"{one.name} has a certificate already, {one.state(now)}, until {_time(one.valid_until)}",
                        f"twinstorm pki renew {one.name} makes a further one",
                    )
            of_server = tuple(hosts) if role is Role.SERVER else ()
            return self._make(index, [(name, role, 1, of_server) for name in names], now, lasts)

    def renew(self, names: Sequence[str], now: datetime, lasts: timedelta | None = None) -> list[Issued]:
        """Further certificates, with keys of their own; the older ones hold until they expire or are revoked.

        A server is reached under the same names and addresses as before.

        Raises:
            PkiError: a name has no certificate yet, or the authority does not last so long.
        """
        _check_names(names)
        with only_one(self.folder):
            index = self.index()
            before = [_newest(index, name) for name in names]
            wanted = [(one.name, one.role, one.number + 1, one.hosts) for one in before]
            return self._make(index, wanted, now, lasts)

    def revoke(self, names: Sequence[str], now: datetime, *, keep_newest: bool = False) -> list[Issued]:
        """Put certificates on a new list of revoked ones: all that these names have.

        A broker must load the list; a connection that is open lives on until the broker ends it.

        Args:
            keep_newest: only those before the newest one, after a renewal.

        Returns:
            What is revoked by this call.

        Raises:
            PkiError: a name has no certificate, or none is left to revoke.
        """
        with only_one(self.folder):
            index = self.index()
            newest = {name: _newest(index, name) for name in names}
            chosen = [
                one
                for one in index.certificates
                if one.name in newest
                and one.revoked_at is None
                and not (keep_newest and one.number == newest[one.name].number)
            ]
            left_alone = sorted(newest.keys() - {one.name for one in chosen})
            if left_alone:
                raise PkiError(
                    f"{', '.join(left_alone)}: no certificate {'older than the newest ' if keep_newest else ''}is left "
                    "to revoke",
                    "twinstorm pki list shows what each is",
                )
            gone = {one.serial for one in chosen}
            at = whole_second(now)
            certificates = tuple(
                msgspec.structs.replace(one, revoked_at=at) if one.serial in gone else one for one in index.certificates
            )
            self._publish(msgspec.structs.replace(index, certificates=certificates), now, None)
            return [one for one in certificates if one.serial in gone]

    def renew_list(self, now: datetime, lasts: timedelta | None = None) -> Index:
        """Make the list of revoked certificates anew.

        Args:
            lasts: until a broker with this list refuses everybody; None: as long as the authority.
        """
        if lasts is not None:
            _check_lasts(lasts)
        with only_one(self.folder):
            return self._publish(self.index(), now, lasts)

    def _make(
        self,
        index: Index,
        wanted: Sequence[tuple[str, Role, int, tuple[str, ...]]],
        now: datetime,
        lasts: timedelta | None,
    ) -> list[Issued]:
        signer = self._signer(now)
        rest = signer.valid_until - whole_second(now)
        if lasts is None:
            lasts = min(LEAF_LASTS, rest)
        _check_lasts(lasts)
        if lasts > rest:
            raise PkiError(
                f"a certificate until {_time(whole_second(now) + lasts)} would outlive its authority, which ends "
                f"{_time(signer.valid_until)}",
                f"at most {rest // timedelta(seconds=1)} s",
            )
        made, files = [], []
        for name, role, number, hosts in wanted:
            credential = signer.certify(name, role, now, lasts, hosts)
            one = Issued(
                name=name,
                role=role,
                number=number,
                serial=f"{credential.serial:x}",
                valid_from=credential.valid_from,
                valid_until=credential.valid_until,
                hosts=hosts,
            )
            made.append(one)
            files.append({CERTIFICATE: (credential.certificate, PUBLIC), KEY: (credential.key, PRIVATE)})
        self._keep(msgspec.structs.replace(index, certificates=(*index.certificates, *made)))
        for one, pair in zip(made, files, strict=True):
            make_folder(self.folder / one.folder, pair)
        return made

    def _publish(self, index: Index, now: datetime, lasts: timedelta | None) -> Index:
        signer = self._signer(now)
        second = timedelta(seconds=1)
        last_update = max(whole_second(now) - BACKDATED, index.last_update + second)
        if last_update > whole_second(now):
            raise PkiError(
                f"the newest list of revoked certificates is of {_time(index.last_update)}, and a later one would "
                "be of the future",
                "name several certificates in one call, or try again in a second",
            )
        next_update = signer.valid_until if lasts is None else min(whole_second(now) + lasts, signer.valid_until)
        index = msgspec.structs.replace(index, lists=index.lists + 1, last_update=last_update, next_update=next_update)
        revoked = {int(one.serial, 16): one.revoked_at for one in index.certificates if one.revoked_at is not None}
        self._keep(index)
        replace_whole(self.revoked, signer.revocation_list(revoked, index.lists, last_update, next_update), PUBLIC)
        return index

    def _keep(self, index: Index) -> None:
        replace_whole(self.folder / INDEX, _encoded(index))

    def _signer(self, now: datetime) -> Signer:
        key = self.folder / CA_KEY
        _check_private(key)
        try:
            signer = Signer.load(self.certificate.read_bytes(), key.read_bytes())
        except ValueError as error:
            raise PkiError(f"{self.folder}: {error}", "restore it from a backup") from error
        if whole_second(now) >= signer.valid_until:
            raise PkiError(
                f"the authority in {self.folder} has ended {_time(signer.valid_until)}",
                "make another in a new folder: twinstorm pki init --dir DIR",
            )
        return signer


def _newest(index: Index, name: str) -> Issued:
    found = [one for one in index.certificates if one.name == name]
    if not found:
        raise PkiError(f"{name} has no certificate here", f"twinstorm pki issue {name}, or look: twinstorm pki list")
    return found[-1]


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
            raise PkiError(
                f"`{name[:LONGEST_NAME]}` cannot name a certificate",
                f"letters, digits and . _ -, in parts divided by /, each beginning with a letter or digit, "
                f"{LONGEST_NAME} at most: fra-1/motors-0001",
            )
    count = Counter(name.casefold() for name in names)
    twice = [name for name in names if count[name.casefold()] > 1]
    if twice:
        raise PkiError(f"{', '.join(twice)} is named twice", "name each once; upper and lower case are the same here")


def _check_hosts(hosts: Sequence[str]) -> None:
    for host in hosts:
        try:
            check_host(host)
        except ValueError as error:
            raise PkiError(str(error), "write broker.example or 192.0.2.7") from error


def _check_lasts(lasts: timedelta) -> None:
    if not SHORTEST <= lasts <= CA_LASTS:
        raise PkiError(
            f"{lasts.total_seconds():g} s is no life of a certificate",
            f"between 1 s and {CA_LASTS.days // 7} weeks",
        )


def _check_private(key: Path) -> None:
    if others_may_read(key):
        raise PkiError(f"others than its owner may read {key}", f"chmod 600 {key}, and think who has read it")


def _encoded(index: Index) -> bytes:
    return msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n"


def _time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
