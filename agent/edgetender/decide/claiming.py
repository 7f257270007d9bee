"""Which host ports would a new version take from somebody else? Pure: who listens is given."""

from __future__ import annotations

from edgetender.decide.resolving import Resolution
from edgetender.model.gate import Shut
from edgetender.model.observed import Observed
from edgetender.model.target import PublishedPort


def claims(candidate: Resolution | None, accepted: Resolution | None) -> frozenset[PublishedPort]:
    """The host ports that only *candidate* wants: those that both want are held by what runs."""
    held = {(port.host, port.protocol) for port in _ports(accepted)}
    return frozenset(port for port in _ports(candidate) if (port.host, port.protocol) not in held)


def conflict(candidate: Resolution | None, accepted: Resolution | None, observed: Observed) -> Shut | None:
    """Why *candidate* may not begin: it would stop what serves, and then could not start.

    Nothing is said while something of ours runs that *accepted* does not name: its ports may be the ones.
    """
    known = {spec.digest for spec in accepted.containers} if accepted else set()
    modules = {spec.module for spec in accepted.containers} if accepted else set()
    ours = any(c.running and c.spec not in known for c in observed.containers)
    if ours or any(front.module not in modules for front in observed.fronts):
        return None
    for spec in candidate.containers if candidate else ():
        for port in spec.ports:
            if port in observed.taken:
                where = f"{port.address or '*'}:{port.host}/{port.protocol}"
                why = f"{where}, which {spec.module} wants, is taken by something else on this device"
                return Shut("port.taken", f"{why}; who that is: ss -lntup 'sport = :{port.host}'")
    return None


def _ports(resolution: Resolution | None) -> set[PublishedPort]:
    return {port for spec in resolution.containers for port in spec.ports} if resolution else set()
