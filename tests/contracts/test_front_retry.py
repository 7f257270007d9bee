"""A request whose container died before it answered: which are asked again of the one that served before?"""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from demo.parts.waiting import until
from edgetender.engine.http_probe import http_probe
from tests.services.front_stand import BODY, Stand, site, stand, state

__all__ = ["site", "stand"]

pytestmark = pytest.mark.engine


def ask(port: int, method: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, "/", BODY)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("retry", "method", "again"),
    [
        ("any", "POST", True),
        ("idempotent", "POST", False),
        ("idempotent", "PATCH", False),
        ("idempotent", "PUT", True),
    ],
)
def test_what_was_begun_by_a_container_that_dies_is_asked_again_as_its_port_says(
    stand: Stand, retry: str, method: str, again: bool
) -> None:
    (port,) = stand.spec.ports
    stand.spec = replace(stand.spec, ports=(replace(port, retry=retry),))
    before, dying = stand.member(1, "graceful"), stand.member(2, "graceful", work_ms=3000)
    stand.front.ensure(stand.spec, before)
    until(lambda: http_probe("127.0.0.1", port.host, "/", 1) is None, "the front")
    stand.front.point(stand.spec, dying)
    with ThreadPoolExecutor(1) as client:
        asked = client.submit(ask, port.host, method)
        until(lambda: stand.held(dying) == 1, "the request")
        assert state(stand).target == dying
        stand.client.containers.get(dying.container).kill()
        status, said = asked.result(60)
    assert (status, said) == (200, "number 1") if again else status == http.client.BAD_GATEWAY
