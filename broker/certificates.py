"""Certificates as bytes, EC P-256: an authority's key signs, nothing here touches a file or knows the time."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twinstorm.broker.identity import Role, identity_uri

ORGANISATION = "twinstorm"
LONGEST_COMMON_NAME = 64
"""X.520, ub-common-name."""
BACKDATED = timedelta(seconds=60)
"""Clocks differ: a certificate holds from a minute before it was made."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Credential:
    """A certificate and its key, in PEM.

    Attributes:
        valid_from, valid_until: whole seconds, both inclusive.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    serial: int
    valid_from: datetime
    valid_until: datetime


def whole_second(instant: datetime) -> datetime:
    """What a certificate can say of an instant.

    Raises:
        ValueError: it has no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).replace(microsecond=0)


class Signer:
    """The key of an authority; in memory only, unless `key_pem` is written somewhere."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def create(cls, name: str, now: datetime, lasts: timedelta) -> Signer:
        """A new authority that signs itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        began = whole_second(now)
        subject = _subject(name)
        own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(began - BACKDATED)
            .not_valid_after(began + lasts)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(own_id, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes) -> Signer:
        """Read both back.

        Raises:
            ValueError: one is unreadable, or they do not belong together; says nothing of the key's content.
        """
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        try:
            key = serialization.load_pem_private_key(key_pem, password=None)
        except (ValueError, TypeError):
            raise ValueError("the private key is unreadable") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the private key does not belong to the certificate")
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return _key_pem(self._key)

    @property
    def name(self) -> str:
        found = self._certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else ""

    @property
    def valid_until(self) -> datetime:
        return self._certificate.not_valid_after_utc

    def certify(
        self, name: str, role: Role, now: datetime, lasts: timedelta, hosts: Sequence[str] = LOOPBACK
    ) -> Credential:
        """A new key and its certificate.

        Args:
            lasts: from `now`; whole seconds count, at least one.
            hosts: names and addresses under which a server is reached; unused for other roles.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        began, serial = whole_second(now), x509.random_serial_number()
        valid_from, valid_until = began - BACKDATED, began + lasts
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(identity_uri(role, name))]
        if role is Role.SERVER:
            names += [_host(host) for host in hosts]
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if role is Role.SERVER else ExtendedKeyUsageOID.CLIENT_AUTH
        issuer_id = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_subject(name))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(valid_from)
            .not_valid_after(valid_until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return Credential(pem, _key_pem(key), serial, valid_from, valid_until.replace(microsecond=0))

    def revocation_list(
        self, revoked: Mapping[int, datetime], number: int, last_update: datetime, next_update: datetime
    ) -> bytes:
        """The list of serial numbers that hold no more, in PEM.

        Args:
            number: greater than that of every list before.
            last_update: greater, by a whole second, than that of every list before: of two of one second a peer that
                has loaded both keeps to the older one. Never in the future: such a list refuses everybody.
            next_update: from then on the list refuses everybody.
        """
        issuer_id = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(last_update)
            .next_update(next_update)
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
        )
        for serial, at in sorted(revoked.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(whole_second(at)).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def check_host(host: str) -> str:
    """A host name or address as a certificate may carry it.

    Raises:
        ValueError: it is neither.
    """
    _host(host)
    return host


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    labels = host.removeprefix("*.").split(".")
    if len(host) > 253 or not all(_is_label(label) for label in labels) or labels[-1].isdigit():
        raise ValueError(f"`{host}` is neither a host name nor an address")
    return x509.DNSName(host)


def _is_label(label: str) -> bool:
    plain = label.replace("-", "")
    return 0 < len(label) < 64 and plain.isascii() and plain.isalnum() and label[0] != "-" and label[-1] != "-"


def _subject(name: str) -> x509.Name:
    parts: Iterable[x509.NameAttribute[str]] = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)]
    if len(name) <= LONGEST_COMMON_NAME:
        parts = [*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)]
    return x509.Name(parts)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
