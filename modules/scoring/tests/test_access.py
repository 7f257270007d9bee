"""Who gets in, and over what? Bearer keys and TLS, both renewed without a restart."""

import socket
import ssl
import time

import pytest

SCRIPT = "def init(): ...\ndef run(data): return data"
FIRST, SECOND, THIRD = "first-key-0123456789", "second-key-0123456789", "third-key-0123456789"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# primary, secondary\n{FIRST}\n{SECOND}\n")
    return path


def test_either_key_opens_and_nothing_else_does(serving, keys):
    with serving(SCRIPT, EDGETENDER_SCORING_KEYS_FILE=str(keys), AML_CORS_ORIGINS="*") as server:
        assert server.score(b"x", **bearer(FIRST)).json == "x"
        assert server.score(b"x", Authorization=f"bearer  {SECOND}").json == "x"
        for headers in ({}, bearer(THIRD), bearer(""), {"Authorization": FIRST}, bearer(FIRST + "\xff")):
            refused = server.score(b"x", **headers)
            assert (refused.status, refused.header("www-authenticate")) == (401, "Bearer")
            assert refused.json == {"message": "A valid bearer key is needed."}
        for path in ("/metrics", "/swagger.json", "/nowhere"):
            assert server.ask("GET", path).status == 401
        assert list(server.ask("GET", "/v2").json) == ["error"]
        for path in ("/", "/v2/health/live", "/v2/health/ready"):
            assert server.ask("GET", path).status == 200
        assert server.ask("OPTIONS", "/score", Origin="o").status == 200
    assert FIRST not in server.log.read_text()


def test_keys_are_rotated_without_a_restart(serving, keys):
    with serving(SCRIPT, EDGETENDER_SCORING_KEYS_FILE=str(keys)) as server:
        fresh = keys.with_name("fresh")
        fresh.write_text(f"{SECOND}\n{THIRD}\n")
        fresh.replace(keys)
        until(lambda: server.score(b"x", **bearer(THIRD)).status == 200, "the new key does not open")
        assert server.score(b"x", **bearer(SECOND)).status == 200
        assert server.score(b"x", **bearer(FIRST)).status == 401

        keys.write_text("short\n")
        until(lambda: server.score() and "the keys stay as they are" in server.log.read_text(), "not read")
        assert server.score(b"x", **bearer(THIRD)).status == 200


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("", "has 0 keys"),
        (f"{FIRST}\n{SECOND}\n{THIRD}", "has 3 keys"),
        ("short", "shorter"),
    ],
)
def test_keys_that_cannot_be_used_exit_with_3_and_the_reason(exit_of, tmp_path, content, reason):
    (tmp_path / "score.py").write_text(SCRIPT)
    if content is not None:
        (tmp_path / "keys").write_text(content)

    code, said = exit_of("--entry_script", "score.py", EDGETENDER_SCORING_KEYS_FILE="keys")

    assert code == 3
    assert reason in said


@pytest.fixture(scope="module")
def authority():
    return pytest.importorskip("trustme", reason="trustme is not installed").CA()


def issue(authority, folder):
    made = authority.issue_cert("localhost")
    made.private_key_pem.write_to_path(folder / "key.pem")
    with (folder / "cert.pem").open("wb") as out:
        for part in made.cert_chain_pems:
            out.write(part.bytes())
    return {
        "EDGETENDER_SCORING_TLS_CERT": str(folder / "cert.pem"),
        "EDGETENDER_SCORING_TLS_KEY": str(folder / "key.pem"),
    }


@pytest.fixture
def secure(authority, connect):
    """`secure(server)`: a client whose connection is encrypted and verified."""

    def call(server):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        client = connect(server)
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        return client

    return call


def test_the_port_is_encrypted_and_answers_as_ever(serving, authority, tmp_path, secure, connect):
    with serving(SCRIPT, EDGETENDER_SCORING_BODY_LIMIT_MB="1", **issue(authority, tmp_path)) as server:
        client = secure(server)
        assert [client.ask("POST", "/score", b"%d" % n).json for n in range(5)] == list("01234")
        assert client.socket.version() in {"TLSv1.2", "TLSv1.3"}
        large = secure(server)
        assert large.ask("POST", "/score", b"x" * 900_000).json == "x" * 900_000
        over = secure(server)
        over.send("POST /score HTTP/1.1\nHost: x\nContent-Length: 2000000")
        assert over.read().status == 413
        assert over.at_end()
        plain = connect(server)
        plain.send("GET / HTTP/1.1\nHost: x")
        with pytest.raises((EOFError, ConnectionResetError)):
            plain.read()


def test_idle_encrypted_connections_do_not_hold_the_end(serving, authority, tmp_path, secure):
    """Clients that read nothing answer no farewell either; the end comes long before the grace time is over."""
    with serving(SCRIPT, EDGETENDER_SCORING_GRACE_S="3600", **issue(authority, tmp_path)) as server:
        idle = [secure(server) for _ in range(3)]
        assert idle[0].ask("GET", "/").status == 200
        server.terminate()
        assert server.process.wait(60) == 0
        assert idle[0].at_end()


def test_a_renewed_certificate_counts_without_a_restart(serving, authority, tmp_path, secure):
    with serving(SCRIPT, EDGETENDER_SCORING_IDLE_S="2", **issue(authority, tmp_path)) as server:
        first = secure(server).socket.getpeercert()["serialNumber"]
        issue(authority, tmp_path)
        until(
            lambda: secure(server).socket.getpeercert()["serialNumber"] != first, "the old one is still shown"
        )


def test_the_health_port_stays_plain(serving, authority, tmp_path, free_port):
    flags = ("--health_port", str(free_port))
    with serving(SCRIPT, *flags, SEPERATE_HEALTH_ENDPOINT="true", **issue(authority, tmp_path)) as server:
        server.port = free_port
        assert server.ask("GET", "/").body == b"Healthy"


def test_a_certificate_that_cannot_be_used_exits_with_3(exit_of, tmp_path):
    (tmp_path / "score.py").write_text(SCRIPT)
    (tmp_path / "cert.pem").write_text("none")

    one, said = exit_of("--entry_script", "score.py", EDGETENDER_SCORING_TLS_CERT="cert.pem")
    both, also = exit_of(
        "--entry_script",
        "score.py",
        EDGETENDER_SCORING_TLS_CERT="cert.pem",
        EDGETENDER_SCORING_TLS_KEY="cert.pem",
    )

    assert (one, both) == (3, 3)
    assert "both are needed" in said
    assert "cert.pem" in also


def test_a_handshake_that_never_comes_does_not_hold_the_end(serving, authority, tmp_path):
    with (
        serving(SCRIPT, EDGETENDER_SCORING_GRACE_S="3600", **issue(authority, tmp_path)) as server,
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        server.terminate()
        assert server.process.wait(60) == 0
