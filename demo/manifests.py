"""What does the story ask of the device? Its manifests, as an author would write them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from demo.device import CREDENTIAL
from demo.world import HOST_PORT

if TYPE_CHECKING:
    from demo.world import World

Document = dict[str, Any]


def first(world: World) -> Document:
    """Two modules of one image: the one that serves, and a neighbour that nothing may disturb."""
    health = {"http": {"port": 5001, "path": "/"}, "interval": 1, "timeout": 2, "deadline": 60}
    module = {"image": world.image, "env": {"SITE": "hall 3"}, "health": health, "stop_grace": 5}
    return {
        "schema": "edgetender/v1",
        "deployment": "line3",
        "version": 1,
        "modules": {
            "diabetes": module | {"ports": [f"127.0.0.1:{HOST_PORT}:5001"]},
            "neighbour": module | {"ports": [f"127.0.0.1:{HOST_PORT + 1}:5001"]},
        },
        "registries": {host: {"credential": CREDENTIAL} for host in hosts(world)},
        "update": {"settle": 2},
    }


def hosts(world: World) -> tuple[str, str]:
    """The registry, and the registry behind the slow line."""
    return world.registry.host, f"localhost:{world.slow.port}"


def changed(document: Document, version: int, **modules: Document) -> Document:
    """*document* as *version*, the named modules updated key by key."""
    result = copy.deepcopy(document)
    result["version"] = version
    for name, update in modules.items():
        result["modules"][name] |= update
    return result


def bad_in_five_ways(document: Document, version: int) -> tuple[Document, dict[str, str]]:
    """A manifest with five faults, and what each fault's path must contain."""
    result = changed(document, version)
    serving, neighbour = result["modules"]["diabetes"], result["modules"]["neighbour"]
    serving["image"] = f"{document['modules']['diabetes']['image'].rpartition('/')[0]}/:1"
    serving["colour"] = "green"
    serving["resources"] = {"memory": "-64MiB"}
    neighbour["ports"] = [{"host": 70000, "container": 5001}]
    result["modules"]["twin"] = {
        "image": document["modules"]["diabetes"]["image"],
        "ports": [{"host": HOST_PORT + 2, "container": 5001}, {"host": HOST_PORT + 2, "container": 5002}],
    }
    faults = {
        "an image without a name": "modules.diabetes.image",
        "port 70000": "modules.neighbour.ports",
        "an unknown key": "modules.diabetes.colour",
        "negative memory": "modules.diabetes.resources.memory",
        "a host port used twice": "modules.twin.ports",
    }
    return result, faults
