"""What a registry that misbehaves cannot do: learn a password, make it printed, or hold the device up."""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import threading
import traceback
from typing import TYPE_CHECKING

import pytest

from edgetender.errors import AgentError, ImageMissing, RegistryDenied, RegistryUnreachable
from edgetender.model.image import Credential, ImageFacts, parse_reference
from edgetender.registry.auth import Authorizations
from edgetender.registry.connection import Connection
from edgetender.registry.distribution import Registry
from edgetender.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WRONG = Credential("line3", Secret("canary-7f3a91"))


class _FarSide(http.server.ThreadingHTTPServer):
    """Answers from `script`, a function of (path, authorization); remembers what it `seen`."""

    daemon_threads = True
    host = ""
    script: Callable[[str, str], tuple[int, dict[str, str], bytes]]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.host, self.seen = f"127.0.0.1:{self.server_port}", []
        self.script = lambda _path, _authorization: (404, {}, b"")

    def handle_error(self, request: object, client_address: object) -> None:
        """A TLS hello on a plain port; the client's error is what a test looks at."""


class _Answering(http.server.BaseHTTPRequestHandler):
    server: _FarSide

    def do_GET(self) -> None:
        authorization = self.headers.get("Authorization", "")
        self.server.seen.append((self.path, authorization))
        status, headers, body = self.server.script(self.path, authorization)
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def _far_side() -> Iterator[_FarSide]:
    far = _FarSide()
    thread = threading.Thread(target=far.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield far
    finally:
        far.shutdown()
        thread.join()
        far.server_close()


def _resolve(host: str, credential: Credential | None = WRONG, timeout_s: float = 2) -> ImageFacts:
    with Registry(host, credential=credential, plain_http=True, timeout_s=timeout_s) as registry:
        return registry.resolve(parse_reference(f"{host}/x:1"), "amd64")


BASIC = {"WWW-Authenticate": 'Basic realm="r"'}
DOWN = {"Retry-After": "7"}


def _echoing(status: int, headers: dict[str, str] | None = None) -> Callable[..., tuple[int, dict, bytes]]:
    """Asks for the password, then answers *status* with what it was told."""

    def script(_path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        if not authorization:
            return 401, BASIC, b""
        error = {"errors": [{"code": authorization, "message": authorization}]}
        return status, headers or {}, json.dumps(error).encode()

    return script


@pytest.mark.parametrize(
    ("script", "expected", "says"),
    [
        pytest.param(_echoing(401, BASIC), RegistryDenied, "is the password right", id="401"),
        pytest.param(_echoing(403), RegistryDenied, "is the user allowed", id="403"),
        pytest.param(_echoing(404), ImageMissing, "was it pushed", id="404"),
        pytest.param(_echoing(429, DOWN), RegistryUnreachable, "too many requests", id="429"),
        pytest.param(_echoing(500), RegistryUnreachable, "not well", id="500"),
        pytest.param(_echoing(200), ImageMissing, "neither an image", id="no manifest"),
        pytest.param(_echoing(418), RegistryUnreachable, "is it one", id="teapot"),
        pytest.param(
            _echoing(200, {"Content-Length": "9999"}), RegistryUnreachable, "broke|ended", id="cut short"
        ),
        pytest.param(_echoing(307, {"Location": "/loop"}), RegistryUnreachable, "redirects", id="loop"),
        pytest.param(_echoing(307, {"Location": "http://[x"}), RegistryUnreachable, "Invalid", id="no URL"),
        pytest.param(
            _echoing(200, {"Docker-Content-Digest": "x"}), RegistryUnreachable, "bytes", id="digest"
        ),
    ],
)
def test_no_failure_tells_the_password(script, expected, says, caplog):
    caplog.set_level(logging.DEBUG)
    with _far_side() as far:
        far.script = script
        with pytest.raises(expected, match=says) as caught:
            _resolve(far.host)
    assert any(authorization for _, authorization in far.seen), "the canary never flew"
    assert "urllib3" in caplog.text, "the library's own lines are looked at"
    _assert_quiet(caught.value, caplog.messages)


def _assert_quiet(error: AgentError, logged: list[str]) -> None:
    told = [*logged, *traceback.format_exception(error)]
    cause: BaseException | None = error
    while cause is not None:
        told += [str(cause), repr(cause), repr(getattr(cause, "request", None)), repr(vars(cause))]
        assert getattr(cause, "request", None) is None
        cause = cause.__cause__ or cause.__context__
    password = WRONG.password.reveal()
    for text in told:
        assert password not in text
        assert "bGluZTM6" not in text  # base64 of "line3:"


def test_an_answer_that_drips_is_given_up():
    moments = iter(range(0, 10_000, 100))
    with _far_side() as far:
        far.script = lambda *_: (200, {}, b"{}")
        with (
            Connection(far.host, plain_http=True, monotonic=lambda: next(moments)) as connection,
            pytest.raises(RegistryUnreachable, match="too slow"),
            connection.request("GET", "/v2/", what="look", scope="") as answer,
        ):
            answer.document()


def test_a_wait_the_registry_asks_for_is_told():
    with _far_side() as far:
        far.script = lambda *_: (429, DOWN, b"")
        with pytest.raises(RegistryUnreachable) as caught:
            _resolve(far.host)
    assert caught.value.retry_after_s == 7


def test_a_redirect_to_another_host_does_not_carry_the_password():
    with _far_side() as far, _far_side() as other:
        far.script = _echoing(307, {"Location": f"http://{other.host}/stored"})
        with pytest.raises(ImageMissing):
            _resolve(far.host)
    assert other.seen == [("/stored", "")]


def test_a_token_is_asked_for_once_and_used_until_it_expires():
    body = b'{"schemaVersion": 2, "config": 1}'
    with _far_side() as far:
        challenge = {
            "WWW-Authenticate": f'Bearer realm="http://{far.host}/token",service="s",scope="repository:x:pull"'
        }

        def script(path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
            if path.startswith("/token"):
                return 200, {}, b'{"token": "t0ken", "expires_in": 300}'
            return (200, {}, body) if authorization == "Bearer t0ken" else (401, challenge, b"")

        far.script = script
        with Registry(far.host, credential=WRONG, plain_http=True) as registry:
            for _ in range(2):
                with pytest.raises(ImageMissing):
                    registry.resolve(parse_reference(f"{far.host}/x:1"), "amd64")
    paths = [path for path, _ in far.seen]
    assert paths == [
        "/v2/x/manifests/1",
        "/token?service=s&scope=repository%3Ax%3Apull",
        *["/v2/x/manifests/1"] * 2,
    ]


def test_plain_http_happens_only_when_it_was_asked_for():
    with (
        _far_side() as far,
        Registry(far.host, credential=WRONG, timeout_s=2) as real,
        pytest.raises(RegistryUnreachable, match="set plain_http"),
    ):
        real.resolve(parse_reference(f"{far.host}/x:1"), "amd64")
    assert far.seen == []


def test_a_mount_asks_for_both_repositories_each_by_a_scope_of_its_own():
    asked = []

    def fetch(_realm, query):
        asked.append(query)
        return {"token": "t0ken"}

    scopes = "repository:new:pull,push repository:old:pull"
    Authorizations(None, fetch, lambda: 0.0).answer('Bearer realm="https://a",service="s"', scopes)
    assert asked == [{"service": "s", "scope": ["repository:new:pull,push", "repository:old:pull"]}]
