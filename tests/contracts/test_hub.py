"""The local hub: does it answer, refuse and hang up as an IoT Hub does?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo.parts.waiting import until
from edgetender.errors import NotFound
from edgetender.fleet.hub.hub import DeviceOffline
from edgetender.fleet.hub.state import Rate, Throttles
from edgetender.fleet.hub.twin import TwinRefused
from tests.services.hub import TestHub
from tests.services.hub_device import HubDevice, connected

C2D = "devices/cam7/messages/devicebound/"


# --- twins


def test_desired_patches_go_to_their_device_alone_with_their_version(hub: TestHub, cam: HubDevice) -> None:
    with connected(hub, "cam8") as other:
        other.listen()
        assert hub.desire("cam7", {"a": {"b": 1, "c": None}}) == 2
        packet = cam.heard("$iothub/twin/PATCH/properties/desired/")
        assert packet.topic.endswith("?$version=2")
        assert packet.json() == {"a": {"b": 1, "c": None}, "$version": 2}
        assert other.twin() == (200, {"desired": {"$version": 1}, "reported": {"$version": 1}})
    assert cam.twin() == (200, {"desired": {"a": {"b": 1}, "$version": 2}, "reported": {"$version": 1}})


def test_reported_properties_are_merged_and_null_removes(hub: TestHub, cam: HubDevice) -> None:
    assert cam.report({"a": {"b": 1}, "l": [1]}) == (204, "$iothub/twin/res/204/?$rid=r 2&$version=2")
    assert cam.report({"a": {"c": 2}, "l": None})[0] == 204
    assert hub.twin("cam7")["reported"] == {"a": {"b": 1, "c": 2}, "$version": 3}
    assert hub.counts("cam7") == (1, 0, 2)


@pytest.mark.parametrize(
    "patch",
    [
        {"a": "x" * 4097},
        {"a b": 1},
        {"a.b": 1},
        {"x": 2**53},
        [],
        b"no json",
        {str(number): "x" * 4000 for number in range(9)},
        {"1": {"2": {"3": {"4": {"5": {"6": {"7": {"8": {"9": {"10": {"11": 1}}}}}}}}}}},
    ],
)
def test_what_is_beyond_the_limits_is_refused_whole(hub: TestHub, cam: HubDevice, patch: Any) -> None:
    assert cam.report(patch)[0] == 400
    assert hub.twin("cam7")["reported"] == {"$version": 1}


def test_so_it_is_for_the_back_end(hub: TestHub) -> None:
    hub.register("cam7")
    with pytest.raises(TwinRefused, match="at most 4096"):
        hub.desire("cam7", {"a": "x" * 5000})
    with pytest.raises(NotFound):
        hub.desire("cam8", {})


def test_patches_for_a_device_that_is_away_are_not_kept_but_the_twin_is(hub: TestHub) -> None:
    with connected(hub) as cam:
        cam.listen()
    until(lambda: not hub.is_connected("cam7"), "it is gone")
    hub.desire("cam7", {"a": 1})
    with connected(hub) as cam:
        assert cam.session, "the hub remembers what it listens to"
        with pytest.raises(TimeoutError):
            cam.read(0.2)
        assert cam.twin()[1]["desired"] == {"a": 1, "$version": 2}


def test_desired_properties_can_be_replaced_as_a_whole(hub: TestHub, cam: HubDevice) -> None:
    hub.desire("cam7", {"a": {"x": 1, "y": 2}, "b": 1})
    hub.replace_desired("cam7", {"a": {"y": 3}})
    assert cam.twin()[1]["desired"] == {"a": {"y": 3}, "$version": 3}


# --- methods, messages


def test_a_method_is_asked_of_one_device_and_its_answer_comes_back(hub: TestHub, cam: HubDevice) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(hub.invoke, "cam7", "ping", {"n": 1})
        packet = cam.heard("$iothub/methods/POST/ping/?$rid=")
        assert packet.json() == {"n": 1}
        cam.publish(f"$iothub/methods/res/207/?$rid={packet.topic.rpartition('=')[2]}", b'{"ok":true}')
        assert answer.result(10) == (207, {"ok": True})


def test_a_method_of_a_device_that_is_away_or_silent_fails(hub: TestHub, cam: HubDevice) -> None:
    with pytest.raises(DeviceOffline, match="504101"):
        hub.invoke("cam7", "ping", {}, timeout_s=0.2)
    hub.register("cam8")
    with pytest.raises(DeviceOffline, match="404103"):
        hub.invoke("cam8", "ping", {})


def test_messages_wait_for_their_device_until_it_acknowledges(hub: TestHub) -> None:
    with connected(hub) as cam:
        cam.subscribe(f"{C2D}#")
        hub.send("cam7", b"one", {"kind": "nudge"})
        first = cam.heard(C2D)
        assert (first.payload, first.head & 8) == (b"one", 0)
        assert "kind=nudge" in first.topic
    until(lambda: not hub.is_connected("cam7"), "it is gone")
    hub.send("cam7", b"two")
    with connected(hub) as cam:
        for body, repeated in ((b"one", 8), (b"two", 0)):
            packet = cam.heard(C2D)
            assert (packet.payload, packet.head & 8) == (body, repeated)
            cam.acknowledge(packet)
        until(lambda: hub.waiting("cam7") == 0, "both acknowledged")


def test_no_more_than_fifty_wait(hub: TestHub) -> None:
    hub.register("cam7")
    for _ in range(50):
        hub.send("cam7", b"x")
    with pytest.raises(TwinRefused, match="50 messages"):
        hub.send("cam7", b"x")


def test_telemetry_is_kept_with_its_properties(hub: TestHub, cam: HubDevice) -> None:
    cam.tell(b"1", "%24.ct=application%2Fjson&lvl=a%20b%2Bc", retain=True)
    until(lambda: hub.messages("cam7"), "the message")
    [message] = hub.messages("cam7")
    assert message.properties == {"$.ct": "application/json", "lvl": "a b+c", "mqtt-retain": "true"}


# --- throttles, wrongs, outages


def test_beyond_its_throttles_it_says_429_and_refuses_connections(tmp_path: Path) -> None:
    tight = Throttles(connects=Rate(2), reads=Rate(1), writes=Rate(1))
    with TestHub(tmp_path, throttles=tight) as hub:
        hub.monotonic = lambda: 0.0  # all of it at one moment, however long it takes
        with connected(hub) as cam:
            cam.listen()
            assert [cam.report({"a": 1})[0] for _ in range(3)] == [204, 429, 429]
            assert [cam.twin()[0] for _ in range(3)] == [200, 429, 429]
            codes = []
            for _ in range(3):
                with connected(hub) as other:
                    codes.append(other.code)
            assert codes == [0, 3, 3]


def test_it_does_wrong_when_it_is_told_to(hub: TestHub, cam: HubDevice) -> None:
    hub.wrongs.refuse_reported = 1
    assert cam.report({"a": 1})[0] == 429
    assert cam.report({"a": 1})[0] == 204
    hub.wrongs.mute_reads = 1
    cam.publish("$iothub/twin/GET/?$rid=r0", b" ")
    assert cam.twin()[0] == 200
    hub.wrongs.drop = 1
    cam.tell(b"x")
    assert cam.hung_up()
    hub.wrongs.refuse = 1
    with connected(hub) as refused:
        assert refused.code == 5


def test_after_an_outage_what_it_knew_is_there(hub: TestHub, cam: HubDevice) -> None:
    cam.report({"a": 1})
    gone = threading.Thread(target=hub.go_away)
    gone.start()
    assert cam.hung_up()
    gone.join(60)
    with pytest.raises(ConnectionRefusedError), connected(hub):
        pass
    hub.come_back()
    with connected(hub) as later:
        assert later.session
        assert later.twin()[1]["reported"] == {"a": 1, "$version": 2}
