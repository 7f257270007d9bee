"""By which mechanism is a module reached? The manifest's word, and what a module can bear."""

from __future__ import annotations

import pytest

from edgetender.decide.resolving import resolve
from edgetender.errors import ManifestInvalid
from edgetender.model.ledger import Ledger
from edgetender.model.reading import manifest_of
from tests.builders.loops import AMD64, FRONTED
from tests.builders.manifests import manifest, module, slot

WEB = {"ports": ["9000:5001"], "health": {"http": {"port": 5001}}}
ENCRYPTED = {"host": 9000, "container": 5001, "tls": {"certificate": "scoring"}}
TLS = {"ports": [ENCRYPTED]}


def front(hardware=FRONTED, strategy="switch", **more):
    document = {**manifest(1, scorer=module(**more)), "update": {"strategy": strategy}}
    (spec,) = resolve(slot(document), manifest_of(document), hardware, Ledger()).containers
    return spec.front


@pytest.mark.parametrize(
    ("more", "mechanism"),
    [
        (WEB, "proxy"),
        (WEB | {"front": "nat"}, "nat"),
        (WEB | {"front": "none"}, "none"),
        ({"front": "proxy", "ports": ["9000:5001"]}, "proxy"),
        ({"ports": ["9000:5001"]}, "none"),
        ({"health": WEB["health"]}, "none"),
        (WEB | {"ports": ["9000:5001", "9001:22"]}, "none"),
        (WEB | {"ports": ["9000:5001", "53:53/udp"]}, "none"),
        (WEB | {"volumes": [{"name": "db", "path": "/db"}]}, "none"),
        (WEB | {"volumes": [{"name": "db", "path": "/db", "read_only": True}]}, "proxy"),
        (WEB | {"restart": "on-failure"}, "none"),
        (TLS | {"volumes": [{"name": "db", "path": "/db"}]}, "proxy"),
    ],
    ids=[
        "probed over HTTP", "asked for nat", "asked for none", "asked for a proxy", "not probed", "no port",
        "another port too", "a UDP port too", "a volume it writes", "a volume it reads", "a job",
        "TLS and a volume it writes",
    ],
)  # fmt: skip
def test_a_module_is_fronted_when_it_speaks_http_and_can_run_twice_or_says_so(more, mechanism):
    assert front(**more) == mechanism


def test_without_a_switch_on_the_device_or_by_strategy_recreate_nothing_is_fronted():
    assert front(AMD64, **WEB, front="proxy") == "none"
    assert front(strategy="recreate", **WEB, front="proxy") == "none"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"front": "proxy"}, "needs ports"),
        ({"front": "nat"}, "needs ports"),
        ({"front": "proxy", "ports": ["53:53/udp"]}, "TCP ports only"),
    ],
)
def test_a_front_that_cannot_be_is_a_fault_of_the_manifest(more, why):
    with pytest.raises(ManifestInvalid, match=why):
        manifest_of(manifest(1, scorer=module(**more)))


def test_a_port_that_shall_speak_tls_is_never_plain_a_device_without_fronts_says_why():
    document = manifest(1, scorer=module(**TLS))
    resolved = resolve(slot(document), manifest_of(document), AMD64, Ledger())
    assert resolved.containers == ()
    assert resolved.blocked == (
        ("scorer", "its TLS needs a front, and this device has no image for fronts; set front.archive on it"),
    )


@pytest.mark.parametrize(
    ("more", "update", "why"),
    [
        ({"front": "nat"}, {}, "front nat speaks no TLS; write front: proxy"),
        ({"front": "none"}, {}, "front none speaks no TLS; write front: proxy"),
        ({"ports": [ENCRYPTED | {"protocol": "udp"}]}, {}, "TLS is spoken over TCP, not over udp"),
        ({}, {"strategy": "recreate"}, "update.strategy recreate has no front"),
    ],
    ids=["nat", "none", "udp", "recreate"],
)
def test_tls_where_nothing_speaks_it_is_a_fault_with_its_path(more, update, why):
    with pytest.raises(ManifestInvalid) as refused:
        manifest_of(manifest(1, scorer=module(**TLS | more)) | {"update": update})
    said = [(one.path, one.code) for one in refused.value.problems if why in one.message]
    assert said == [("modules.scorer.ports[0].tls", "port.tls")]


def test_another_certificate_or_rule_of_retry_is_another_front_and_the_same_container():
    def chosen(name):
        port = ENCRYPTED | {"tls": {"certificate": name}} if name else "9000:5001"
        document = manifest(1, scorer=module(**WEB | {"ports": [port]}))
        (spec,) = resolve(slot(document), manifest_of(document), FRONTED, Ledger()).containers
        return spec

    plain, one, other = chosen(""), chosen("one"), chosen("other")
    assert len({plain.digest, one.digest, other.digest}) == 1
    assert len({spec.front_spec.digest for spec in (plain, one, other)}) == 3
    document = manifest(
        1, scorer=module(**WEB | {"ports": [{"host": 9000, "container": 5001, "retry": "idempotent"}]})
    )
    (careful,) = resolve(slot(document), manifest_of(document), FRONTED, Ledger()).containers
    assert careful.digest == plain.digest
    assert careful.front_spec.digest != plain.front_spec.digest
    assert (plain.front_spec.certificates, one.front_spec.certificates) == ((), ("one",))
