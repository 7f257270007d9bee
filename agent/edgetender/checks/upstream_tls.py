"""Is the broker there, and is it the one it should be?"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.checks.certificate import valid_until
from edgetender.checks.device import Contact, Device
from edgetender.checks.finding import Check, Finding, fail, ok, skip, warn
from edgetender.errors import LinkDown
from edgetender.transports.tls import connect_failure

_SOON = timedelta(days=14)


def run(device: Device) -> Finding:
    transport = device.settings.transport
    if transport.kind != "mqtt":
        return skip(f"the transport is {transport.kind}")
    where = f"{transport.host}:{transport.port}"
    try:
        if not transport.tls:
            device.network.reach(transport.host, transport.port)
            return _plain(transport.host, where)
        contact = device.network.handshake(
            transport.host, transport.port, transport.ca, transport.certificate, transport.key
        )
    except LinkDown as error:
        said, _, helps = str(error).partition("; ")
        return fail(said, helps or "edgetender config show --origin")
    except OSError as error:
        said, _, helps = connect_failure(error).partition("; ")
        ask = (
            f"openssl s_client -connect {where}"
            if transport.tls
            else f"nc -vz {transport.host} {transport.port}"
        )
        return fail(f"{where}: {said}", f"{ask} ({helps})" if helps else ask)
    return judge(contact, where, device.clock.now())


def judge(contact: Contact, where: str, now: datetime) -> Finding:
    """Its own certificate was verified; how long will that last?"""
    until = valid_until(contact.certificate)
    days = (until - now).days
    found = ok(f"{where}, {contact.protocol}, trusted; its certificate expires in {days} d")
    if until - now < _SOON:
        found = warn(f"{where}: its certificate expires in {days} d", "renew the broker's certificate")
    return replace(found, ends=((where, until),))


def _plain(host: str, where: str) -> Finding:
    if _is_here(host):
        return ok(f"{where} answers; no TLS, on this machine")
    return warn(
        f"{where} is reached without TLS: anybody between can read and command", "set transport.tls = true"
    )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECK = Check(
    "upstream-tls",
    "the broker answers and is trusted",
    "connectivity",
    "Without it no manifest comes and no report goes; what is deployed keeps running.",
    run,
    needs=("config-parse", "dns", "clock"),
)
