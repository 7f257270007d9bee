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
    ],
    ids=[
        "probed over HTTP", "asked for nat", "asked for none", "asked for a proxy", "not probed", "no port",
        "another port too", "a UDP port too", "a volume it writes", "a volume it reads", "a job",
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
