"""TLS of the server: a certificate of its own, or files of the user's."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mmer.models.errors import MmerError

SELF_SIGNED: Final = "self-signed"
_DAYS: Final = 30


@dataclass(frozen=True)
class Certificate:
    """Files in PEM, and the SHA-256 by which people compare what their browser shows."""

    cert: Path
    key: Path
    sha256: str


def certificate(wanted: str, names: frozenset[str], folder: Path) -> Certificate:
    """The certificate for ``--tls``: "self-signed", made in ``folder``, or "CERT,KEY".

    Raises:
        MmerError: files that are not there, or are no certificate and its key.
    """
    if wanted == SELF_SIGNED:
        return _self_signed(names, folder)
    cert, comma, key = wanted.partition(",")
    if not comma:
        raise MmerError(f"--tls is {wanted!r}: expected self-signed or CERT.pem,KEY.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, password=_no_password)
        text = Path(cert).read_text(encoding="ascii", errors="replace")  # comments are in any
        der = ssl.PEM_cert_to_DER_cert(_first(text))
    except (OSError, ValueError) as error:  # SSLError is an OSError
        reason = getattr(error, "strerror", None) or error
        raise MmerError(f"--tls {wanted}: cannot be used ({reason})") from error
    return Certificate(Path(cert), Path(key), hashlib.sha256(der).hexdigest())


def _no_password() -> str:
    raise ValueError("the key has a password: give one without")


def _first(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[pem.find("-----BEGIN CERTIFICATE-----") : pem.find(end) + len(end)]


def _self_signed(names: frozenset[str], folder: Path) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mmer-serve")])
    alternatives: list[x509.GeneralName] = []
    for called in sorted(names):
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(called)))
        except ValueError:
            alternatives.append(x509.DNSName(called))
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with open(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    return Certificate(cert_file, key_file, made.fingerprint(hashes.SHA256()).hex())
