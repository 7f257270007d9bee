"""The end of the founding documents: does their client get its answers, and does `docker kill` end the container?"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
import requests

from demo.parts.process import free_port
from demo.parts.waiting import until
from edgetender.packaging import InferenceConfig, Workspace
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.packager import Order, Packager
from tests.services.packaged import BASE, serving

pytestmark = pytest.mark.engine

# Unchanged but for the port, which is a free one here.
CLIENT = """\
import requests
import json

# URL for the web service
scoring_uri = 'http://localhost:6789/score'

# Two sets of data to score, so we get two results back
data = {"data":
        [
            [ 1,2,3,4,5,6,7,8,9,10 ],
            [ 10,9,8,7,6,5,4,3,2,1 ]
        ]
        }
# Convert to JSON string
input_data = json.dumps(data)

# Set the content type
headers = {'Content-Type': 'application/json'}

# Make the request and display the response
resp = requests.post(scoring_uri, input_data, headers=headers)
print(resp.text)
"""
SLOW = "import time\ndef init(): ...\ndef run(data):\n    time.sleep(float(data))\n    return 'done'\n"
NAME = "mycontainer-ended"


@pytest.fixture
def slow(packaged, engine_socket, tmp_path):
    """A container that sleeps as long as it is asked to: `docker`'s view of it, and its address."""
    folder, _, _ = packaged
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(SLOW)
    workspace = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    order = Order((), InferenceConfig("score.py", source_directory=str(source)), "ended.test/slow:1")
    Packager(workspace).image(order)
    engine, port = Engine(engine_socket), free_port()
    engine.load(workspace.images.get(order.reference).image, order.reference)
    engine.run(order.reference, name=NAME, ports={5001: ("127.0.0.1", port)}, env=[])
    url = f"http://127.0.0.1:{port}"
    client = docker.DockerClient(base_url=engine_socket)
    container = client.containers.get(NAME)
    try:
        until(lambda: _healthy(url), "its readiness", every_s=0.1)
        yield container, url
    finally:
        container.remove(force=True)
        client.close()


def _healthy(url):
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(url, timeout=2).status_code == 200
    return False


def test_the_documents_client_sends_two_rows_and_gets_two_results(packaged, engine_socket, capsys):
    folder, config, _ = packaged
    workspace = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    built = Packager(workspace).image(Order((), config, "client.test/sums:1"))
    engine = Engine(engine_socket)
    engine.load(workspace.images.get("client.test/sums:1").image, "client.test/sums:1")

    with serving(engine, "client.test/sums:1") as ask:
        exec(CLIENT.replace("6789", str(ask.port)), {})  # word for word, so as they are

    assert built.digest.startswith("sha256:")
    assert capsys.readouterr().out == "[55,55]\n"


def test_docker_kill_ends_it_at_once_whatever_it_is_doing(slow):
    container, url = slow
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(requests.post, f"{url}/score", "3600", timeout=300)
        _until_scoring(url)
        container.kill()
        ended = container.wait(timeout=60)

        assert ended["StatusCode"] == 137  # SIGKILL's
        with pytest.raises(requests.ConnectionError):
            asked.result(timeout=60)


def test_docker_stop_lets_it_answer_what_it_has_begun(slow):
    container, url = slow
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(requests.post, f"{url}/score", "6", timeout=60)
        _until_scoring(url)
        container.stop(timeout=60)
        answer = asked.result(timeout=60)

    assert (answer.status_code, answer.text, answer.headers["connection"]) == (200, '"done"', "close")
    assert container.wait(timeout=60)["StatusCode"] == 0


def _until_scoring(url):
    """Until the call is in the script's hands: metrics are answered while it runs."""
    until(
        lambda: "edgetender_scoring_in_flight 1\n" in requests.get(f"{url}/metrics", timeout=60).text,
        "the call",
    )
