"""`edgetender push` on a real broker: what arrives at the device, and what the author learns of its verdict."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import yaml

from edgetender.codec import canonical
from edgetender.fleet.push import DeviceLink
from edgetender.model.trace import carrying, is_traceparent, trace_id
from edgetender.model.upstream import Message
from edgetender.transports.mqtt import MqttTransport
from edgetender.transports.settings import MqttSettings
from tests.builders.answers import verdict
from tests.builders.manifests import image
from tests.builders.shell import Shell
from tests.builders.signing import Keys, signed_root
from tests.services.far_side import Inbox, settled
from tests.services.mqtt_listener import Listener

pytestmark = pytest.mark.broker

MANIFEST: dict[str, Any] = {
    "schema": "edgetender/v1",
    "deployment": "line3",
    "version": 15,
    "modules": {"scorer": {"image": image("scorer")}},
}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
REFUSAL = ("version", "manifest.rollback", "version 15 is lower than 16")


@pytest.fixture
def push(capsys, tmp_path, broker):
    (tmp_path / "line3.yaml").write_text(yaml.safe_dump(MANIFEST))

    def run(device: str, *options: str):
        words = [
            tmp_path / "line3.yaml",
            "--to",
            f"device:{device}",
            "--broker",
            f"mqtt://127.0.0.1:{broker.port}",
        ]
        return Shell(capsys).run("push", *words, *options)

    return run


def answering(device: Listener, *reports: dict[str, Any], **more: Any) -> threading.Thread:
    """The device's side: once the manifest is here, it reports one status after the other."""

    def answer():
        device.wait("desired", b'"version":15')
        for status in reports:
            body = {
                "lastDesiredVersion": 15,
                "lastDesiredStatus": status,
                "modules": {"scorer": {"state": "starting"}},
            } | more
            device.publish("reported", json.dumps(body).encode(), retain=True)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def test_a_pushed_manifest_is_kept_for_a_device_that_is_away(push, broker):
    said = push("away")
    assert (said.code, said.out) == (0, "away  line3 version 15 pushed\n")
    with Listener(broker.port, "away") as device:
        kept = device.wait("desired")
        assert (json.loads(kept.body), kept.retained) == (MANIFEST, True)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_trace_that_a_push_begins_arrives_with_the_manifest(broker, protocol):
    with DeviceLink(
        MqttSettings("127.0.0.1", broker.port, tls=False, protocol=protocol), "traced", listens=False
    ) as link:
        link.push(canonical(MANIFEST), timeout_s=60, traceparent=PARENT)
    inbox = Inbox()
    transport = MqttTransport(MqttSettings("127.0.0.1", broker.port, tls=False), "traced")
    transport.open(inbox.accept, inbox.wake)
    inbox.wait(carrying(canonical(MANIFEST), PARENT))
    settled(transport, connected=True)
    with Listener(broker.port, "traced") as device:
        at = "2026-11-24T12:00:00.000Z"
        event = canonical({"type": "deployment.applied", "traceparent": PARENT, "at": at})
        transport.send(Message("event/deployment.applied", event), timeout_s=60)
        told = dict(device.wait("event/deployment.applied").properties["UserProperty"])
    transport.close()
    assert (told["traceparent"], told["time"]) == (PARENT, at)
    assert told["type"] == "edgetender.event.deployment.applied"


def test_who_follows_a_push_is_told_its_trace(push, broker):
    said = push("followed", "--follow", "--timeout", "1s", "-o", "json")
    parent = json.loads(said.out)["traceparent"]
    assert f"followed  trace {trace_id(parent)}\n" in said.err
    with Listener(broker.port, "followed") as device:
        kept = device.wait("desired")
    assert dict(kept.properties["UserProperty"])["traceparent"] == parent


@pytest.mark.parametrize(
    ("last", "code", "told"),
    [
        pytest.param(verdict(200, "running"), 0, "version 15 running (scorer starting)", id="running"),
        pytest.param(verdict(417, "rolled back: not ready"), 10, "version 15 rolled back:", id="rolled_back"),
        pytest.param(verdict(400, "invalid", ("a", "b", "c")), 6, "a: c [b]", id="invalid"),
        pytest.param(verdict(409, "lower", REFUSAL), 1, "version: version 15 is lower than 16", id="refused"),
    ],
)
def test_the_devices_verdict_is_the_exit_code(push, broker, last, code, told, request):
    name = f"device-{request.node.callspec.id}"
    with Listener(broker.port, name) as device:
        answer = answering(device, verdict(406, "being applied"), last)
        said = push(name, "--follow", "--timeout", "60s")
        answer.join()
    assert said.code == code
    assert f"{name}  version 15 applying: being applied (scorer starting)\n" in said.out
    assert told in said.out + said.err


def test_a_device_that_waits_for_its_window_says_so_and_until_then_it_is_11(push, broker):
    with Listener(broker.port, "waiting") as device:
        shut = {"apply": {"code": "window.apply", "why": "apply is for 0 2 * * sat for 4h", "until": None}}
        answer = answering(device, verdict(406, "being applied"), waits=shut)
        said = push("waiting", "--follow", "--timeout", "60s", "--now")
        answer.join()
        kept = device.wait("desired")
    assert said.code == 11
    assert "version 15 waiting: apply is for 0 2 * * sat for 4h (scorer starting)" in said.out
    assert json.loads(kept.body)["update"] == {"now": True}


def test_without_a_verdict_in_time_it_is_9_and_the_manifest_stays(push, broker):
    said = push("silent", "--follow", "--timeout", "1s", "-o", "json")
    assert (said.code, json.loads(said.out)["outcome"]) == (9, "pushed")
    assert "no verdict from silent within 1 s" in said.err


def test_what_keeps_a_verdict_from_coming_is_said(push, broker):
    stuck = {"modules": {"scorer": {"state": "blocked", "why": "no variant fits this device"}}}
    for within_s in (3, 40):  # to answer may take a busy machine longer than the first
        with Listener(broker.port, f"stuck-{within_s}") as device:
            answer = answering(device, verdict(406, "being applied"), **stuck)
            said = push(f"stuck-{within_s}", "--follow", "--timeout", f"{within_s}s")
            answer.join()
        if "being applied" in said.out:
            break
    assert said.code == 9
    assert said.err.splitlines()[-2:] == [
        f"no verdict from stuck-{within_s} within {within_s} s; it has the manifest, and goes on",
        "  scorer: no variant fits this device",
    ]


def test_several_devices_get_it_one_after_the_other_with_one_trace(push, broker):
    with Listener(broker.port, "first") as first, Listener(broker.port, "second") as second:
        answers = [
            answering(first, verdict(409, "lower", REFUSAL)),
            answering(second, verdict(200, "running")),
        ]
        said = push(
            "first",
            "--to",
            "device:second",
            "--to",
            "device:first",
            "--follow",
            "--timeout",
            "60s",
            "-o",
            "json",
        )
        for one in answers:
            one.join()
        kept = [
            dict(one.wait("desired").properties["UserProperty"])["traceparent"] for one in (first, second)
        ]
    told = [json.loads(line) for line in said.out.splitlines()]
    assert [(one["device"], one["outcome"]) for one in told] == [("first", "refused"), ("second", "running")]
    assert said.code == 1
    assert {one["traceparent"] for one in told} == set(kept)
    assert len(set(kept)) == 1


def test_a_group_is_its_devices_each_once(push, broker, tmp_path):
    (tmp_path / "store/deployments").mkdir(parents=True)
    (tmp_path / "store/deployments/groups.json").write_text('{"line3": ["first", "second"]}')
    store = ("--store", tmp_path / "store")
    with Listener(broker.port, "first") as first, Listener(broker.port, "second") as second:
        said = push("second", "--to", "group:line3", *store, "-o", "json")
        assert [json.loads(one.wait("desired").body)["version"] for one in (first, second)] == [15, 15]
    assert [json.loads(line)["device"] for line in said.out.splitlines()] == ["second", "first"]
    unknown = push("first", "--to", "group:line4", *store)
    assert unknown.code == 4
    assert "cannot find the group 'line4': known are line3" in unknown.err


def test_for_scripts_stdout_is_one_document(push, broker):
    with Listener(broker.port, "scripted") as device:
        answer = answering(device, verdict(409, "lower", REFUSAL))
        said = push("scripted", "--follow", "--timeout", "60s", "-o", "json")
        answer.join()
    assert said.code == 1
    document = json.loads(said.out)
    assert is_traceparent(document.pop("traceparent"))
    assert document == {
        "apiVersion": "edgetender/v1", "kind": "Push", "device": "scripted", "version": 15, "outcome": "refused",
        "code": 409, "description": "lower", "modules": {"scorer": "starting"},
        "problems": [{"path": REFUSAL[0], "code": REFUSAL[1], "message": REFUSAL[2]}],
    }  # fmt: skip
    assert "scripted  line3 version 15 pushed" in said.err


def test_the_next_trust_root_is_pushed_and_waited_for(push, tmp_path, capsys, broker):
    keys, shell = tmp_path / "keys", Shell(capsys)
    shell.run("keys", "init", keys)
    shell.run("keys", "revoke", keys, "manifest-1")
    (tmp_path / "line3.yaml").write_bytes((keys / "root.2.json").read_bytes())
    with Listener(broker.port, "cam-root") as device:

        def answer():
            device.wait("desired", b'"payloadType"')
            for root in ({"version": 1, "epoch": 1}, {"version": 2, "epoch": 1}):
                said = {"lastDesiredVersion": None, "lastDesiredStatus": None, "trustRoot": root}
                device.publish("reported", json.dumps(said).encode(), retain=True)

        thread = threading.Thread(target=answer)
        thread.start()
        said = push("cam-root", "--follow", "--timeout", "60s")
        thread.join()
        assert (said.code, said.out) == (0, "cam-root  trust root version 2 counts\n")
        assert device.wait("desired").body == (keys / "root.2.json").read_bytes()
        said = push("cam-root", "--follow", "--timeout", "5s")  # it counts already: nothing new is reported
        assert (said.code, said.out) == (0, "cam-root  trust root version 2 counts\n")
    said = push("cam-silent-root", "--follow", "--timeout", "1s", "-o", "json")
    assert (said.code, json.loads(said.out)["rootVersion"]) == (9, 2)


def test_a_root_that_the_device_refuses_is_told_with_its_reason(push, tmp_path, capsys, broker):
    keys, shell = tmp_path / "keys", Shell(capsys)
    shell.run("keys", "init", keys)
    shell.run("keys", "revoke", keys, "manifest-1")
    (tmp_path / "line3.yaml").write_bytes((keys / "root.2.json").read_bytes())
    why = ("version", "root.not_next", "version 2 does not follow 0; bring version 1")
    before = {"lastDesiredVersion": 14, "lastDesiredStatus": verdict(200, "running")}
    with Listener(broker.port, "cam-behind") as device:
        device.publish("reported", json.dumps(before).encode(), retain=True)

        def answer():
            device.wait("desired", b'"payloadType"')
            refused = {"lastDesiredVersion": None, "lastDesiredStatus": verdict(403, "no", why)}
            device.publish("reported", json.dumps(before | refused).encode(), retain=True)

        thread = threading.Thread(target=answer)
        thread.start()
        said = push("cam-behind", "--follow", "--timeout", "60s")
        thread.join()
    assert (said.code, said.out) == (1, "cam-behind  trust root version 2 refused\n")
    assert "version: version 2 does not follow 0; bring version 1 [root.not_next]" in said.err


def test_a_root_that_its_own_keys_did_not_sign_is_not_pushed(push, tmp_path, broker):
    (tmp_path / "line3.yaml").write_bytes(signed_root(Keys(), ["stranger"]))
    said = push("cam-root")
    assert said.code == 6
    assert "signature." in said.err


def test_a_signed_manifest_arrives_as_it_was_signed(push, tmp_path, capsys, broker):
    keys, envelope = tmp_path / "keys", tmp_path / "line3.yaml"
    shell = Shell(capsys)
    shell.run("keys", "init", keys)
    words = ("--key", keys / "manifest-1.key", "--device", "cam-signed", "-o", envelope)
    assert shell.run("sign", envelope, *words).code == 0
    with Listener(broker.port, "cam-signed") as device:
        assert push("cam-signed").code == 0

        assert device.wait("desired", b'"payloadType"').body == envelope.read_bytes().strip()
