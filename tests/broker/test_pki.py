"""A certificate authority in a folder, and what Python's own TLS makes of its certificates."""

from __future__ import annotations

import os
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.broker.handshake import shake, with_password
from twinstorm.broker import pki as module
from twinstorm.broker.certificates import Credential, Signer
from twinstorm.broker.identity import Role, identity_uri, parse_identity
from twinstorm.broker.pki import CA_LASTS, LEAF_LASTS, LONGEST_NAME, Authority, Issued, PkiError
from twinstorm.broker.private_files import make_folder, replace_whole, write_private
from twinstorm.broker.tls import ClientTls, ServerTls, client_context, peer_of, server_context

ONE, TWO = "fra-1/motors-0001", "fra-1/motors-0002"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


@pytest.fixture(scope="module")
def now() -> datetime:
    """OpenSSL asks the system's clock, so these tests live by it."""
    return datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path, now: datetime) -> Authority:
    made = Authority.create(tmp_path / "pki", now)
    made.issue(["broker"], Role.SERVER, now)
    return made


def serving(authority: Authority, name: str = "broker") -> ssl.SSLContext:
    pair = authority.pair(authority.newest(name))
    return server_context(ServerTls(pair.certificate, pair.key, authority.certificate, authority.revoked))


def asking(authority: Authority, issued: Issued | None = None, trusts: Authority | None = None) -> ssl.SSLContext:
    ca = (trusts or authority).certificate
    if issued is None:
        return client_context(ClientTls(ca))
    pair = authority.pair(issued)
    return client_context(ClientTls(ca, pair.certificate, pair.key))


def device(authority: Authority, name: str, now: datetime, lasts: timedelta | None = None) -> ssl.SSLContext:
    (one,) = authority.issue([name], Role.DEVICE, now, lasts)
    return asking(authority, one)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- what the other end makes of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_device_and_broker_believe_each_other_and_the_broker_learns_the_device(
    authority: Authority, now: datetime, host: str
) -> None:
    server, client = shake(serving(authority), device(authority, ONE, now), host)
    peer, one = peer_of(server), authority.newest(ONE)
    assert peer is not None
    assert parse_identity(peer.identity) == (Role.DEVICE, ONE)
    assert peer.serial == one.serial
    assert datetime.fromtimestamp(peer.valid_until_s, UTC) == one.valid_until
    assert client.version() == "TLSv1.3"


def test_a_name_too_long_for_a_common_name_stands_in_the_certificate_all_the_same(
    authority: Authority, now: datetime
) -> None:
    name = "s" * 64 + "/" + "m" * 64 + "-0001"
    server, _ = shake(serving(authority), device(authority, name, now))
    peer = peer_of(server)
    assert peer is not None
    assert parse_identity(peer.identity) == (Role.DEVICE, name)


def test_whoever_has_no_certificate_is_refused(authority: Authority) -> None:
    with pytest.raises(ssl.SSLError, match="peer did not return a certificate"):
        shake(serving(authority), asking(authority))


def test_a_listener_that_is_not_mutual_lets_everybody_in_and_knows_nobody(authority: Authority) -> None:
    pair = authority.pair(authority.newest("broker"))
    server, _ = shake(server_context(ServerTls(pair.certificate, pair.key)), asking(authority))
    assert peer_of(server) is None
    assert peer_of(None) is None


def test_a_certificate_authority_of_clients_never_comes_without_its_list(authority: Authority) -> None:
    pair = authority.pair(authority.newest("broker"))
    with pytest.raises(ValueError, match="revoked"):
        server_context(ServerTls(pair.certificate, pair.key, ca=authority.certificate))


def test_nobody_is_asked_for_the_password_of_a_key(authority: Authority) -> None:
    pair = authority.pair(authority.newest("broker"))
    with_password(pair.key)
    with pytest.raises(OSError, match=r"key\.pem must have no password"):
        server_context(ServerTls(pair.certificate, pair.key))
    with pytest.raises(OSError, match=r"key\.pem must have no password"):
        client_context(ClientTls(authority.certificate, pair.certificate, pair.key))


def test_a_key_of_another_certificate_is_not_said_to_have_a_password(authority: Authority) -> None:
    pair = authority.pair(authority.newest("broker"))
    with pytest.raises(ssl.SSLError):
        server_context(ServerTls(pair.certificate, authority.folder / "ca.key"))


def test_a_certificate_that_has_expired_is_refused(authority: Authority, now: datetime) -> None:
    late = device(authority, ONE, now - 30 * SECOND, lasts=10 * SECOND)
    with pytest.raises(ssl.SSLError, match="expired"):
        shake(serving(authority), late)


def test_a_certificate_of_seconds_holds_until_then(authority: Authority, now: datetime) -> None:
    shake(serving(authority), device(authority, ONE, now, lasts=100 * SECOND))
    one = authority.newest(ONE)
    assert one.valid_until == now.replace(microsecond=0) + 100 * SECOND
    assert [one.state(one.valid_until), one.state(one.valid_until + SECOND)] == ["valid", "expired"]


def test_a_revoked_certificate_is_refused_and_only_that(authority: Authority, now: datetime) -> None:
    first, second = device(authority, ONE, now), device(authority, TWO, now)
    (gone,) = authority.revoke([ONE], now)
    assert (gone.name, gone.state(now)) == (ONE, "revoked")
    with pytest.raises(ssl.SSLError, match="revoked"):
        shake(serving(authority), first)
    shake(serving(authority), second)


def test_each_of_two_revocations_within_a_second_bites_in_a_broker_that_runs(
    authority: Authority, now: datetime
) -> None:
    devices = {name: device(authority, name, now) for name in (ONE, TWO)}
    running = serving(authority)
    for name, one in devices.items():
        shake(running, one)
        authority.revoke([name], now)
        running.load_verify_locations(authority.revoked)
        with pytest.raises(ssl.SSLError, match="revoked"):
            shake(running, one)


def test_a_list_is_never_of_the_future(authority: Authority, now: datetime) -> None:
    for _ in range(60):
        index = authority.renew_list(now)
    assert index.last_update <= now
    before = files_of(authority.folder)
    with pytest.raises(PkiError, match="of the future"):
        authority.renew_list(now)
    assert files_of(authority.folder) == before
    assert authority.renew_list(now + SECOND).lists == 62


def test_a_list_past_its_time_refuses_everybody_and_says_so_beforehand(authority: Authority, now: datetime) -> None:
    one = device(authority, ONE, now)
    authority.check_list(now)
    authority.renew_list(now - 40 * SECOND, 10 * SECOND)
    with pytest.raises(PkiError, match="was to be renewed"):
        authority.check_list(now)
    with pytest.raises(ssl.SSLError, match="CRL has expired"):
        shake(serving(authority), one)
    authority.renew_list(now)
    shake(serving(authority), one)


def test_renewal_overlaps_until_the_older_one_is_revoked(authority: Authority, now: datetime) -> None:
    older = device(authority, ONE, now)
    (newer,) = authority.renew([ONE], now)
    assert newer.number == 2
    shake(serving(authority), older)
    shake(serving(authority), asking(authority, newer))
    authority.revoke([ONE], now, keep_newest=True)
    with pytest.raises(ssl.SSLError, match="revoked"):
        shake(serving(authority), older)
    shake(serving(authority), asking(authority, newer))


def test_a_device_cannot_serve_and_a_server_cannot_log_in(authority: Authority, now: datetime) -> None:
    authority.issue([ONE], Role.DEVICE, now)
    with pytest.raises(ssl.SSLError, match=r"(?i)purpose"):
        shake(serving(authority), asking(authority, authority.newest("broker")))
    with pytest.raises(ssl.SSLError, match=r"(?i)purpose|mismatch"):
        shake(serving(authority, ONE), asking(authority, authority.newest(ONE)))


def test_another_authority_of_the_same_name_is_believed_by_nobody(
    authority: Authority, now: datetime, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", now)
    other.issue(["broker"], Role.SERVER, now)
    stranger = device(other, ONE, now)
    with pytest.raises(ssl.SSLError):
        shake(serving(authority), stranger)
    (forged,) = other.issue([TWO], Role.DEVICE, now)
    with pytest.raises(ssl.SSLError):
        shake(serving(authority), asking(other, forged, trusts=authority))


def test_two_authorities_are_believed_side_by_side_while_one_follows_the_other(
    authority: Authority, now: datetime, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "other", now)
    (one,) = other.issue([ONE], Role.DEVICE, now)
    running = serving(authority)
    running.load_verify_locations(other.certificate)
    running.load_verify_locations(other.revoked)
    shake(running, asking(other, one, trusts=authority))
    shake(running, device(authority, TWO, now))


def test_a_server_under_another_name_is_refused(authority: Authority, now: datetime) -> None:
    authority.issue(["remote"], Role.SERVER, now, hosts=["broker.lab", "192.0.2.7"])
    one = device(authority, ONE, now)
    shake(serving(authority, "remote"), one, "broker.lab")
    shake(serving(authority, "remote"), one, "192.0.2.7")
    authority.renew(["remote"], now)
    shake(serving(authority, "remote"), one, "broker.lab")
    with pytest.raises(ssl.SSLError, match="mismatch"):
        shake(serving(authority, "remote"), one, "127.0.0.1")


def test_nobody_gets_a_ticket_to_come_back_without_its_certificate(authority: Authority, now: datetime) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = asking(authority, (authority.issued(ONE) or authority.issue([ONE], Role.DEVICE, now))[0])
        client.minimum_version = client.maximum_version = version
        _, end = shake(serving(authority), client)
        assert end.session is None or not end.session.has_ticket


# --- the folder -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_keys_and_folders_are_their_owners_alone_whatever_the_umask(tmp_path: Path, now: datetime) -> None:
    before = os.umask(0)
    try:
        authority = Authority.create(tmp_path / "deep" / "pki", now)
        authority.issue([ONE], Role.DEVICE, now)
        authority.renew([ONE], now)
        authority.revoke([ONE], now, keep_newest=True)
    finally:
        os.umask(before)
    secret = [
        path
        for path in (tmp_path / "deep").rglob("*")
        if b"PRIVATE KEY" in (path.read_bytes() if path.is_file() else b"")
    ]
    assert len(secret) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    folders = [path for path in (tmp_path / "deep").rglob("*") if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_a_key_that_others_may_read_is_not_used(authority: Authority, now: datetime) -> None:
    (authority.folder / "ca.key").chmod(0o640)
    with pytest.raises(PkiError, match="chmod 600"):
        authority.issue([ONE], Role.DEVICE, now)
    pair = authority.pair(authority.newest("broker"))
    pair.key.chmod(0o644)
    with pytest.raises(PkiError, match="may read"):
        authority.pair(authority.newest("broker"))


def test_a_second_authority_is_not_made_over_the_first(authority: Authority, now: datetime) -> None:
    before = files_of(authority.folder)
    with pytest.raises(PkiError, match="holds an authority already"):
        Authority.create(authority.folder, now)
    assert files_of(authority.folder) == before


def test_an_authority_is_not_made_among_other_files(tmp_path: Path, now: datetime) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(PkiError, match="not an empty folder"):
        Authority.create(tmp_path, now)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_folder_without_an_authority_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PkiError, match=r"ca\.pem, ca\.key, crl\.pem, issued\.json is not there"):
        Authority(tmp_path)


@pytest.mark.parametrize("again", [ONE, ONE.upper()])
def test_a_name_that_has_a_certificate_gets_no_other_unasked(authority: Authority, now: datetime, again: str) -> None:
    authority.issue([ONE], Role.DEVICE, now)
    before = files_of(authority.folder)
    with pytest.raises(PkiError, match="has a certificate already"):
        authority.issue([TWO, again], Role.DEVICE, now)
    assert files_of(authority.folder) == before


@pytest.mark.parametrize(
    "name", ["", "/x", "x/", "../x", "x/../y", ".x", "a b", "a\n", "-x", "ä", "_1", "a/_1", "x" * 201]
)
def test_what_is_no_name_is_refused(authority: Authority, now: datetime, name: str) -> None:
    with pytest.raises(PkiError, match="cannot name a certificate"):
        authority.issue([name], Role.DEVICE, now)


@given(name=st.from_regex(module._NAME, fullmatch=True).filter(lambda name: len(name) <= LONGEST_NAME))
def test_every_name_stays_in_the_folder_and_has_one_of_its_own(name: str) -> None:
    module._check_names([name])
    one = Issued(
        name=name, role=Role.DEVICE, number=1, serial="1", valid_from=datetime.now(UTC), valid_until=datetime.now(UTC)
    )
    assert Path(os.path.normpath(one.folder)) == Path(one.folder)
    assert one.folder.startswith("issued/")
    assert not any(part.startswith("_") for part in name.split("/"))


@given(role=st.sampled_from(list(Role)), name=st.text(min_size=1))
def test_an_identity_is_read_as_it_was_written(role: Role, name: str) -> None:
    try:
        uri = identity_uri(role, name)
    except UnicodeEncodeError:
        return
    assert uri.isascii()
    assert parse_identity(uri) == (role, name)


@pytest.mark.parametrize(
    "uri", ["", "urn:twinstorm:", "urn:twinstorm:device:", "urn:twinstorm:king:x", "urn:x:device:y"]
)
def test_an_identity_of_another_kind_is_none(uri: str) -> None:
    assert parse_identity(uri) is None


@pytest.mark.parametrize("host", ["", "a b", "-x", "x-", "1.2.3", "x..y", "x" * 64, "x:443", "ä.example", "*"])
def test_what_is_no_host_is_refused(authority: Authority, now: datetime, host: str) -> None:
    with pytest.raises(PkiError, match="neither a host name nor an address"):
        authority.issue(["other"], Role.SERVER, now, hosts=[host])


def test_no_certificate_outlives_its_authority(tmp_path: Path, now: datetime) -> None:
    authority = Authority.create(tmp_path / "pki", now, HOUR)
    (one,) = authority.issue([ONE], Role.DEVICE, now)
    assert one.valid_until == now.replace(microsecond=0) + HOUR
    with pytest.raises(PkiError, match="at most 3600 s"):
        authority.issue([TWO], Role.DEVICE, now, HOUR + SECOND)
    with pytest.raises(PkiError, match="has ended"):
        authority.issue([TWO], Role.DEVICE, now + HOUR)
    assert authority.issued(TWO) == []


def test_a_device_gets_ninety_days_unless_asked(authority: Authority, now: datetime) -> None:
    (one,) = authority.issue([ONE], Role.DEVICE, now)
    assert one.valid_until - now.replace(microsecond=0) == LEAF_LASTS


@pytest.mark.parametrize("lasts", [timedelta(0), SECOND / 2, -SECOND, CA_LASTS + SECOND])
def test_a_life_of_nothing_or_of_ages_is_refused(tmp_path: Path, now: datetime, lasts: timedelta) -> None:
    with pytest.raises(PkiError, match="no life"):
        Authority.create(tmp_path / "pki", now, lasts)
    assert list(tmp_path.iterdir()) == []


def test_revoking_twice_or_nobody_is_refused(authority: Authority, now: datetime) -> None:
    authority.issue([ONE, TWO], Role.DEVICE, now)
    authority.revoke([ONE], now)
    with pytest.raises(PkiError, match=f"{ONE}: no certificate is left"):
        authority.revoke([ONE, TWO], now)
    with pytest.raises(PkiError, match="has no certificate here"):
        authority.revoke(["nobody"], now)
    with pytest.raises(PkiError, match="older than the newest"):
        authority.revoke([TWO], now, keep_newest=True)
    assert authority.newest(TWO).state(now) == "valid"


def test_a_revoked_name_may_have_a_further_certificate(authority: Authority, now: datetime) -> None:
    authority.issue([ONE], Role.DEVICE, now)
    authority.revoke([ONE], now)
    (again,) = authority.renew([ONE], now)
    shake(serving(authority), asking(authority, again))


def test_what_was_made_when_the_disk_was_full_is_known_and_can_be_revoked(
    authority: Authority, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "make_folder", full)
        with pytest.raises(OSError, match="No space"):
            authority.issue([ONE], Role.DEVICE, now)
    with pytest.raises(PkiError, match=f"pki renew {ONE}"):
        authority.pair(authority.newest(ONE))
    (again,) = authority.renew([ONE], now)
    authority.pair(again)
    assert len(authority.revoke([ONE], now)) == 2


def test_several_who_issue_at_once_lose_nothing(authority: Authority, now: datetime) -> None:
    names = [f"fra-1/motors-{number:04}" for number in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: Authority(authority.folder).issue([name], Role.DEVICE, now), names))
    assert sorted(one.name for one in authority.issued()) == ["broker", *names]
    assert len({one.serial for one in authority.issued()}) == 17


def test_an_index_that_nobody_can_read_is_named(authority: Authority, now: datetime) -> None:
    index = authority.folder / "issued.json"
    for wrong in (b"{", index.read_bytes().replace(b"pki/1", b"pki/9")):
        replace_whole(index, wrong)
        with pytest.raises(PkiError, match=r"issued\.json"):
            authority.issue([ONE], Role.DEVICE, now)


def test_a_key_of_somebody_else_is_named(authority: Authority, now: datetime) -> None:
    for wrong in (Signer.create("other", now, HOUR).key_pem, b"nothing"):
        replace_whole(authority.folder / "ca.key", wrong)
        with pytest.raises(PkiError, match="private key") as refused:
            authority.issue([ONE], Role.DEVICE, now)
        assert "BEGIN" not in str(refused.value)


def test_a_key_is_not_shown(now: datetime) -> None:
    shown = repr(Signer.create("x", now, HOUR).certify("y", Role.DEVICE, now, HOUR))
    assert shown.startswith(Credential.__name__)
    assert "PRIVATE" not in shown


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Signer.create("x", datetime(2030, 1, 1), HOUR)  # noqa: DTZ001


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_private_file_is_never_written_over_nor_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            write_private(tmp_path / name, b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no/such"):
        make_folder(tmp_path / "made", {"one": (b"1", 0o600), "no/such/place": (b"2", 0o600)})
    assert list(tmp_path.iterdir()) == []
    make_folder(tmp_path / "made", {"one": (b"1", 0o600)})
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "made", {"two": (b"2", 0o600)})
    assert files_of(tmp_path) == {"made/one": b"1"}
