"""How is the far side proved to be who it says? TLS 1.2 or newer, always verified; nothing turns that off."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

from edgetender.errors import LinkDown

HANDSHAKE_S = 10.0
_CA = "is `ca` the right one?"
_CLOCK, _HOST = "is this device's clock right?", "is `host` the name in it?"
# OpenSSL's X509_V_ERR_…: not yet valid, has expired, host name mismatch, IP address mismatch
_REMEDIES = {9: _CLOCK, 10: _CLOCK, 62: _HOST, 64: _HOST}


class ClientContext(ssl.SSLContext):
    """Shakes hands while it wraps, within HANDSHAKE_S, and closes what failed.

    paho leaves the socket of a failed handshake to the garbage collector and its 1.6 waits a keepalive long.
    *alert* is the far side's last word, if it had one: since TLS 1.3 a client's certificate is refused after
    the handshake, where paho knows nothing but a lost connection.
    """

    alert: ssl.SSLError | None = None

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        sock.settimeout(HANDSHAKE_S)
        wrapped = super().wrap_socket(sock, *args, **(kwargs | {"do_handshake_on_connect": False}))
        try:
            wrapped.do_handshake()
        except OSError as error:
            wrapped.close()
            if isinstance(error, ssl.SSLError) and "_ALERT_" in (error.reason or ""):
                self.alert = error  # up to TLS 1.2 it comes here
            raise
        return wrapped


class _Socket(ssl.SSLSocket):
    """Keeps the alert that ended it."""

    def read(self, *args: Any) -> Any:
        try:
            return super().read(*args)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if isinstance(self.context, ClientContext):
                self.context.alert = error
            raise

    def send(self, *args: Any) -> int:
        try:
            return super().send(*args)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            with contextlib.suppress(OSError):
                self.read(1)  # the alert came before the reset that this send met
            raise


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ClientContext:
    """Return a context from the files as they are now. Raises LinkDown naming the file that is wrong."""
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
    context.sslsocket_class = _Socket
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(ca)
        except OSError as error:
            raise LinkDown(f"cannot read the CA certificates {ca}: {_why(error)}") from error
    if certificate is not None:
        _load_identity(context, certificate, key)
    return context


class Identity:
    """The files that say who a client is and whom it trusts: read at each connection, and watched between two.

    Not thread-safe: the connection's alone.
    """

    def __init__(self, ca: Path | None, certificate: Path | None, key: Path | None) -> None:
        self._files = (ca, certificate, key)
        self._read = self._marks()

    def context(self) -> ClientContext:
        """As `client_context`; what is renewed afterwards is noticed."""
        self._read = self._marks()
        return client_context(*self._files)

    def renewed(self) -> bool:
        """Whether they are others than those last read, and can be used: a key may come before its certificate."""
        if self._marks() == self._read:
            return False
        try:
            client_context(*self._files)
        except LinkDown:
            return False
        return True

    def _marks(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in self._files:
            try:
                status = path.stat() if path is not None else None
            except OSError:
                status = None
            found.append(status and (status.st_ino, status.st_size, status.st_mtime_ns))
        return tuple(found)


def refusal(alert: ssl.SSLError, *, with_certificate: bool) -> str:
    """What the far side's *alert* says of this client, in TLS's own words."""
    said = _alert_words(alert)
    if not with_certificate:
        return f"it wants a client certificate and this client has none: {said}"
    if "certificate" in said or said in {"unknown ca", "access denied"}:
        return f"it refuses this client's certificate: {said}"
    return f"TLS failed: {said}"


def _alert_words(error: ssl.SSLError) -> str:
    """`certificate expired` for `SSLV3_ALERT_CERTIFICATE_EXPIRED`."""
    return _why(error).rpartition("_ALERT_")[2].replace("_", " ").lower()


def _load_identity(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    for path in (certificate, key):
        try:
            if path is not None:
                path.open("rb").close()  # ssl's own error does not say which of the two it could not read
        except OSError as error:
            raise LinkDown(f"cannot read the client certificate's file {path}: {_why(error)}") from error
    try:
        # without a password of ours an encrypted key would ask for one on the terminal
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        pair = f"{certificate} with {key}" if key else str(certificate)
        raise LinkDown(
            f"cannot use the client certificate {pair}: {_why(error)}; "
            "is it PEM, unencrypted, and do key and certificate belong together?"
        ) from error


def _why(error: OSError) -> str:
    return error.reason or str(error) if isinstance(error, ssl.SSLError) else error.strerror or str(error)


def connect_failure(error: OSError) -> str:
    """Say in a few words why a connection could not be made, and what helps."""
    match error:
        case ssl.SSLCertVerificationError():
            why = error.verify_message.rstrip(".")
            return f"its certificate is not trusted: {why}; {_REMEDIES.get(error.verify_code, _CA)}"
        case ssl.SSLEOFError() | ConnectionResetError():
            return "TLS failed: it hung up during the handshake; does it speak TLS on this port?"
        case ssl.SSLError():
            return f"TLS failed: {_alert_words(error)}"
        case ConnectionRefusedError():
            return "connection refused; does the broker run, and is the port right?"
        case TimeoutError():
            return "no answer in time; is the network up, and does a firewall drop it?"
        case socket.gaierror():
            return f"the name does not resolve: {error.strerror}"
        case _:
            return error.strerror or str(error) or type(error).__name__
