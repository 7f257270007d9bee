"""Do the real parts start, restart and leave nothing behind?"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
import requests

from demo.clean import LABEL, clean, remove_containers
from demo.parts import bridge
from demo.parts.dockerd import Dockerd, answers, client
from demo.parts.process import Identity, Part, end_recorded, free_port
from demo.parts.waiting import until
from demo.slow_proxy import SlowProxy
from tests.services.engine import CACHE, why_no_engine
from tests.services.probe_image import build

if TYPE_CHECKING:
    from demo.parts.registry import Registry
    from tests.services.broker import TestBroker

pytestmark = pytest.mark.system


def get(url: str) -> requests.Response | None:
    try:
        return requests.get(url, timeout=2)
    except requests.RequestException:
        return None


@pytest.mark.engine
def test_a_private_engine_serves_published_ports_survives_a_kill_and_leaves_no_trace(tmp_path: Path) -> None:
    if reason := why_no_engine():
        pytest.skip(reason)
    engine, port = Dockerd(tmp_path / "engine"), free_port()
    engine.start()
    try:
        image = build(engine.socket, CACHE)
        with client(engine.socket) as asked:
            asked.containers.run(
                image, detach=True, ports={"5001/tcp": ("127.0.0.1", port)}, restart_policy={"Name": "always"}
            )
        assert until(lambda: get(f"http://127.0.0.1:{port}/"), "the answer").text == "ok\n"
        engine.kill()
        assert not answers(engine.socket)
        engine.start()
        assert until(lambda: get(f"http://127.0.0.1:{port}/"), "the answer").text == "ok\n"
    finally:
        engine.remove()
    traces = Path("/proc/self/mounts").read_text() + Path("/proc/net/route").read_text()
    assert not [name for name in (str(tmp_path), str(engine._short), engine.bridge) if name in traces]
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{engine.cgroup}"))
    assert not [path for path in Path("/run").glob("et-*") if path == engine._short]


@pytest.mark.engine
def test_the_probe_image_crashes_with_the_code_it_is_asked_for(engine_socket: str, engine_image: str) -> None:
    port = free_port()
    with client(engine_socket) as engine:
        container = engine.containers.run(
            engine_image, detach=True, environment={"LINES": "3"}, ports={"5001/tcp": ("127.0.0.1", port)}
        )
        try:
            until(lambda: get(f"http://127.0.0.1:{port}/"), "the answer")
            assert "LINES=3" in requests.get(f"http://127.0.0.1:{port}/cgi-bin/env", timeout=2).text
            get(f"http://127.0.0.1:{port}/cgi-bin/crash?code=7")
            assert container.wait(timeout=10)["StatusCode"] == 7
            assert container.logs().decode().splitlines()[:4] == ["line 1", "line 2", "line 3", "started"]
        finally:
            container.remove(force=True)


@pytest.mark.broker
def test_the_broker_keeps_retained_messages_over_a_restart_and_refuses_strangers(broker: TestBroker) -> None:
    def connect(certificate: Path, key: Path) -> paho.Client:
        linked = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        linked.tls_set(str(broker.ca), str(certificate), str(key))
        linked.connect(broker.host, broker.tls_port)
        linked.loop_start()
        return linked

    writer = connect(broker.client_cert, broker.client_key)
    writer.publish("t/1", b"kept", qos=1, retain=True).wait_for_publish(60)
    writer.disconnect()
    writer.loop_stop()
    broker.stop()
    broker.start()
    seen: list[bytes] = []
    reader = connect(broker.client_cert, broker.client_key)
    reader.on_message = lambda _c, _u, message: seen.append(bytes(message.payload))
    until(reader.is_connected, "the connection")
    reader.subscribe("t/1", qos=1)
    until(lambda: seen, "the retained message")
    reader.disconnect()
    reader.loop_stop()
    assert seen == [b"kept"]

    stranger = connect(broker.stranger.certificate, broker.stranger.key)
    until(lambda: "certificate verify failed" in broker.log, "the broker's no")
    assert not stranger.is_connected()
    stranger.loop_stop()


@pytest.mark.engine
def test_engines_that_start_at_once_get_a_network_each() -> None:
    if reason := why_no_engine():
        pytest.skip(reason)
    names = [f"et-at-once-{number}" for number in range(4)]
    try:
        with ThreadPoolExecutor(len(names)) as pool:
            given = list(pool.map(bridge.create, names))
        assert len(set(given)) == len(names)
    finally:
        for name in names:
            bridge.remove(name)


@pytest.mark.registry
def test_the_registry_lets_in_whom_it_knows_and_nobody_else(registry: Registry) -> None:
    url, ca = f"https://{registry.host}/v2/", str(registry.ca)
    ((user, password),) = registry.users.items()
    assert requests.get(url, verify=ca, timeout=60).status_code == 401
    assert requests.get(url, verify=ca, timeout=60, auth=(user, "wrong")).status_code == 401
    assert requests.get(url, verify=ca, timeout=60, auth=(user, password)).status_code == 200


@pytest.mark.engine
def test_clean_removes_the_devices_containers_and_no_other(engine_socket: str, engine_image: str) -> None:
    with client(engine_socket) as engine:
        ours, other, foreign = (
            engine.containers.run(engine_image, detach=True, labels=labels)
            for labels in ({LABEL: "line3-cam7"}, {LABEL: "line4-cam1"}, {})
        )
        remove_containers(engine_socket)
        left = {container.id for container in engine.containers.list(all=True)}
        for container in (other, foreign):
            container.remove(force=True)
    assert ours.id not in left
    assert {other.id, foreign.id} <= left


@pytest.mark.engine
def test_clean_takes_away_an_engine_whose_demo_died(tmp_path: Path) -> None:
    if reason := why_no_engine():
        pytest.skip(reason)
    dead = Dockerd(tmp_path / "engine.own")
    dead.start()
    (tmp_path / "engine").write_text(dead.socket)
    image = build(dead.socket, CACHE)
    with client(dead.socket) as engine:
        engine.containers.run(image, detach=True)
    try:
        clean(tmp_path)
        assert not dead.part.runs
        assert not Path("/sys/class/net", dead.bridge).exists()
        assert not list(Path("/sys/fs/cgroup").glob(f"**/{dead.cgroup}"))
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
        assert not (tmp_path / "engine.own" / "data").exists()
    finally:
        dead.remove()


def test_the_slow_proxy_keeps_to_its_rate_and_counts() -> None:
    body = bytes(64 * 1024)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = SlowProxy(listener.getsockname()[1])
        proxy.bytes_per_s = 256 * 1024
        proxy.start()
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", proxy.port)) as reader:
            received = b"".join(iter(lambda: reader.recv(65536), b""))
        took = time.monotonic() - began
        server.join()
        proxy.stop()
    assert received == body
    assert proxy.bytes_down == len(body)
    assert took >= 0.2


def test_what_a_crashed_run_left_is_ended_by_pid_and_start_time(tmp_path: Path) -> None:
    part, stranger = (Part(name, ["sleep", "60"], tmp_path) for name in ("ours", "stranger"))
    part.start()
    stranger.start()
    assert stranger.identity is not None
    # the pid was used again: same number, other start time
    stranger.pidfile.write_text(f"{stranger.identity.pid} {stranger.identity.start_ticks - 1}\n")
    assert end_recorded(tmp_path) == ["ours"]
    assert Identity.of(stranger.identity.pid) == stranger.identity
    stranger.stop()
    part.stop()
