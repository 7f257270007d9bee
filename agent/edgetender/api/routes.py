"""What can be asked of the daemon: the table of routes, and one small function for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from edgetender.api import answers
from edgetender.api.house import House
from edgetender.api.live import Live, page_document
from edgetender.api.streaming import Closing
from edgetender.clock import parse_rfc3339
from edgetender.codec import canonical, decode
from edgetender.errors import ManifestInvalid, NotFound, Problem
from edgetender.model.edition import is_edition, meant, named
from edgetender.model.manifest import MAX_VERSION
from edgetender.pages import asset

_MAX_LINES = 100_000
_ALL = 1_000  # more than is kept
_DIGITS = 19  # 2^63 - 1, the highest number of a row, has as many


class Access(Enum):
    """Who may ask: anybody on this machine, who may read or order by a unix socket, who may order, root alone.

    PAGE is who may order, and the page with its token.
    """

    ANYBODY = auto()
    READ = auto()
    PAGE = auto()
    TRUSTED = auto()
    ROOT = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """One request. *source* says who made it, for the ledger: `cli (uid 0)`; *by_page*: on the loopback listener."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    source: str
    by_page: bool = False


Text = tuple[str, bytes]  # media type, body
Answer = dict[str, Any] | Text | Iterator[str]
Endpoint = Callable[[House, Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    access: Access
    endpoint: Endpoint


def _status(house: House, _: Call) -> Answer:
    return house.status()


def _hardware(house: House, _: Call) -> Answer:
    return answers.hardware(house.hardware())


def _explain(house: House, call: Call) -> Answer:
    return house.explain(call.path["module"], call.body or None)


def _facts(house: House, _: Call) -> Answer:
    return house.saved_facts()


def _history(house: House, call: Call) -> Answer:
    entries, limit = house.history(_ALL), _whole(call, "limit", 50)
    return answers.history(entries[:limit], [entry.edition for entry in entries])


def _version(house: House, call: Call) -> Answer:
    """With its events, as far as they are kept."""
    asked, entries = call.path["version"], house.history(_ALL)
    known = {entry.edition: entry for entry in entries}
    edition = meant(asked, known)
    if edition is None:
        there = ", ".join(named(one, known) for one in known) or "none"
        raise NotFound(f"cannot show version {asked}: no such version in the history (there are: {there})")
    return answers.version(known[edition], known, house.events(_ALL, follow=False))


def _config(house: House, _: Call) -> Answer:
    return answers.config(house.config())


def _checks(house: House, _: Call) -> Answer:
    return answers.checks(house.checks())


def _check(house: House, call: Call) -> Answer:
    wish = decode(call.body) if call.body else {}
    if not isinstance(wish, dict) or not isinstance(wish.get("fix", False), bool):
        raise ManifestInvalid((Problem("fix", "value", 'send {"ids": [...], "skip": [...], "fix": false}'),))
    if wish.get("fix") and call.by_page:
        raise ManifestInvalid((Problem("fix", "value", "the page repairs nothing: edgetender check --fix"),))
    return answers.checks(house.check(_names(wish, "ids"), _names(wish, "skip"), fix=wish.get("fix", False)))


def _names(wish: dict[str, Any], key: str) -> list[str]:
    found = wish.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ManifestInvalid((Problem(key, "value", "send a list of ids"),))
    return found


def _logs(house: House, call: Call) -> Answer:
    since = call.query.get("since")
    try:
        moment = parse_rfc3339(since) if since else None
    except ValueError as error:
        raise _bad_query("since", str(error)) from error
    tail = _whole(call, "tail", 0) if "tail" in call.query else None
    return house.logs(call.path["module"], tail=tail, since=moment, follow=call.query.get("follow") == "1")


def _own_log(house: House, _: Call) -> Answer:
    return "text/plain; charset=utf-8", "".join(f"{line}\n" for line in house.own_log()).encode()


def _events(house: House, call: Call) -> Answer:
    """One JSON object a line."""
    follow, kind = call.query.get("follow") == "1", call.query.get("type", "")
    events = house.events(_whole(call, "limit", 50), follow=follow, kind=kind)
    return Closing((canonical(event).decode() for event in events), events)


def _page(house: House, _: Call) -> Answer:
    return page_document(house)


def _trends(house: House, _: Call) -> Answer:
    return house.trends()


def _live(house: House, _: Call) -> Answer:
    return Live(house)


def _index(_: House, __: Call) -> Answer:
    return _asset("index.html")


def _page_file(_: House, call: Call) -> Answer:
    return _asset(call.path["name"])


def _asset(name: str) -> Answer:
    found = asset("device", name)
    if found is None:
        raise NotFound("cannot answer: there is no such path or method")
    return found


def _decision(house: House, call: Call) -> Answer:
    delivery = call.path["id"]
    if not (delivery.isascii() and delivery.isdigit() and len(delivery) < _DIGITS):
        raise NotFound(f"cannot find delivery {delivery!r}: no delivery has that number")
    return answers.decision(int(delivery), house.decision(int(delivery)))


def _plan(house: House, call: Call) -> Answer:
    return house.plan(call.body)


def _apply(house: House, call: Call) -> Answer:
    return _delivery(house.submit("manifest", call.source, call.body))


def _restart(house: House, call: Call) -> Answer:
    return _delivery(house.submit("restart", call.source, canonical({"module": call.path["module"]})))


def _variant(house: House, call: Call) -> Answer:
    wish = decode(call.body) if call.body else {}
    action = wish.get("action") if isinstance(wish, dict) else None
    if action not in ("pin", "unpin", "forget"):
        raise ManifestInvalid((Problem("action", "value", "say pin, unpin or forget"),))
    name = wish.get("variant")
    if name is not None and not isinstance(name, str):
        raise ManifestInvalid((Problem("variant", "value", "name a variant, or none"),))
    said = {"module": call.path["module"], "action": action, "variant": name}
    return _delivery(house.submit("variant", call.source, canonical(said)))


def _pausing(kind: str) -> Endpoint:
    """Of the module in the path, or of the device; what is wrong with the wish its decision says."""

    def endpoint(house: House, call: Call) -> Answer:
        wish = decode(call.body) if call.body else {}
        if not isinstance(wish, dict) or wish.keys() - {"module", "for_s", "reason"}:
            raise ManifestInvalid(
                (Problem("", "value", 'send {"module": ..., "for_s": 60, "reason": "..."}'),)
            )
        return _delivery(house.submit(kind, call.source, canonical(wish | dict(call.path))))

    return endpoint


def _rollback(house: House, call: Call) -> Answer:
    wish = decode(call.body) if call.body else {}
    to = wish.get("to") if isinstance(wish, dict) else 0
    if to is not None and not is_edition(to):
        raise ManifestInvalid((Problem("to", "value", "name a version, like 13 or 1:13"),))
    return _delivery(house.submit("rollback", call.source, canonical({"to": to})))


def _plan_back(house: House, call: Call) -> Answer:
    asked = call.query.get("to")
    return house.plan_back(asked if asked is None or is_edition(asked) else _whole(call, "to", 0))


def _trust_reset(house: House, call: Call) -> Answer:
    wish = decode(call.body) if call.body else {}
    floor = wish.get("floor") if isinstance(wish, dict) else None
    if isinstance(floor, bool) or not isinstance(floor, int) or not 1 <= floor <= MAX_VERSION:
        raise ManifestInvalid((Problem("floor", "value", "name a version, like 13"),))
    return _delivery(house.submit("trust-reset", call.source, canonical({"floor": floor})))


def _metrics(house: House, _: Call) -> Answer:
    return "text/plain; version=0.0.4; charset=utf-8", house.metrics()


def _healthz(house: House, _: Call) -> Answer:
    """The daemon answers; its word for the device's state is in the body, for people."""
    return "text/plain; charset=utf-8", f"ok {house.status().get('health', '')}\n".encode()


def _delivery(number: int) -> dict[str, Any]:
    return answers.envelope("Delivery", delivery=number)


def _whole(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= _MAX_LINES):  # noqa: PLR2004
        raise _bad_query(name, f"{text!r} is no whole number up to {_MAX_LINES}")
    return int(text)


def _bad_query(name: str, why: str) -> ManifestInvalid:
    return ManifestInvalid((Problem(f"?{name}", "query", why),))


ROUTES = (
    Route("GET", "/healthz", Access.ANYBODY, _healthz),
    Route("GET", "/metrics", Access.ANYBODY, _metrics),
    Route("GET", "/v1/status", Access.ANYBODY, _status),
    Route("GET", "/", Access.ANYBODY, _index),
    Route("GET", "/page/{name}", Access.ANYBODY, _page_file),
    Route("GET", "/v1/page", Access.ANYBODY, _page),
    Route("GET", "/v1/trends", Access.ANYBODY, _trends),
    Route("GET", "/v1/live", Access.ANYBODY, _live),
    Route("GET", "/v1/checks", Access.ANYBODY, _checks),
    Route("POST", "/v1/checks", Access.PAGE, _check),
    Route("GET", "/v1/hardware", Access.READ, _hardware),
    Route("GET", "/v1/facts", Access.READ, _facts),
    Route("GET", "/v1/explain/{module}", Access.READ, _explain),
    Route("POST", "/v1/explain/{module}", Access.READ, _explain),
    Route("GET", "/v1/history", Access.READ, _history),
    Route("GET", "/v1/history/{version}", Access.READ, _version),
    Route("GET", "/v1/config", Access.READ, _config),
    Route("GET", "/v1/logs/{module}", Access.READ, _logs),
    Route("GET", "/v1/log", Access.READ, _own_log),
    Route("GET", "/v1/events", Access.READ, _events),
    Route("GET", "/v1/decisions/{id}", Access.READ, _decision),
    Route("POST", "/v1/plan", Access.READ, _plan),
    Route("POST", "/v1/apply", Access.TRUSTED, _apply),
    Route("POST", "/v1/modules/{module}/restart", Access.PAGE, _restart),
    Route("POST", "/v1/modules/{module}/variant", Access.TRUSTED, _variant),
    Route("POST", "/v1/rollback", Access.PAGE, _rollback),
    Route("GET", "/v1/rollback", Access.READ, _plan_back),
    Route("POST", "/v1/hold", Access.PAGE, _pausing("hold")),
    Route("POST", "/v1/release", Access.PAGE, _pausing("release")),
    Route("POST", "/v1/now", Access.TRUSTED, _pausing("now")),
    Route("POST", "/v1/modules/{module}/delay", Access.TRUSTED, _pausing("delay")),
    Route("POST", "/v1/trust/reset", Access.ROOT, _trust_reset),
)
