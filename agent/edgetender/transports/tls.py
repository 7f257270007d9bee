"""How is the far side proved to be who it says? TLS 1.2 or newer, always verified; nothing turns that off."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

from edgetender.errors import LinkDown

HANDSHAKE_S = 10.0


class _Context(ssl.SSLContext):
    """Shakes hands while it wraps, within HANDSHAKE_S, and closes what failed.

    paho leaves the socket of a failed handshake to the garbage collector and its 1.6 waits a keepalive long.
    """

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        sock.settimeout(HANDSHAKE_S)
        wrapped = super().wrap_socket(sock, *args, **(kwargs | {"do_handshake_on_connect": False}))
        try:
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            raise
        return wrapped


def client_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Return a context from the files as they are now. Raises LinkDown naming the file that is wrong."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name
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
            return f"its certificate is not trusted: {error.verify_message}; is `ca` the right one?"
        case ssl.SSLError():
            return f"TLS failed: {_why(error)}"
        case ConnectionRefusedError():
            return "connection refused; does the broker run, and is the port right?"
        case TimeoutError():
            return "no answer in time; is the network up, and does a firewall drop it?"
        case socket.gaierror():
            return f"the name does not resolve: {error.strerror}"
        case _:
            return error.strerror or str(error) or type(error).__name__
