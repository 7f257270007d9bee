"""Steps 1 and 2: a real model becomes an image; the registry lets in whom it knows and nobody else."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any

from demo.narrator import StoryFailed, expect
from demo.world import EXAMPLE, PASSWORD, USER

if TYPE_CHECKING:
    from demo.device import Said
    from demo.world import World


def train_and_package(world: World) -> None:
    """1. Ridge regression on 442 patients becomes an OCI image, by edgetender's own packaging."""
    from sklearn.datasets import load_diabetes  # type: ignore[import-untyped]

    training = _module("train")
    began = time.monotonic()
    model = training.fit()
    path = world.home / "model" / "model.json"
    path.parent.mkdir(exist_ok=True)
    training.save(model, path)
    features, target = load_diabetes(return_X_y=True)
    world.facts |= {"model": model, "rows": features.tolist(), "model_path": path}
    world.say.check(
        f"trained a ridge regression on {len(features)} patients with {features.shape[1]} features",
        f"R² {model.score(features, target):.2f}, {time.monotonic() - began:.1f} s",
    )
    done = package(world, path, "diabetes")
    expect(done.code == 0, f"`edgetender package` failed:\n{done.all}")
    built = done.json()
    world.say.check(
        "packaged it with its entry script (init, run): `edgetender package`",
        f"{built['digest'][:19]}, {built['sizeBytes'] / 1e6:.0f} MB in {len(built['layers'])} layers, "
        f"{built['seconds']:.1f} s",
    )


def push_to_the_registry(world: World) -> None:
    """2. No password and a wrong password are refused with a reason; the right one gets the image in."""
    for how, options, password in (
        ("no password", (), None),
        ("a wrong password", ("--username", USER), "correct horse battery stable"),
    ):
        refused = package(
            world, world.facts["model_path"], "diabetes", *options, push=True, password=password
        )
        reason = refused.err.strip().splitlines()[-1] if refused.err.strip() else ""
        expect(refused.code != 0, f"the registry took a push with {how}")
        expect(
            "401" in reason or "unauthorized" in reason.lower(),
            f"with {how} the reason was not clear: {reason!r}",
        )
        world.say.check(f"{how} is refused", reason[:160])
    began = time.monotonic()
    done = package(
        world, world.facts["model_path"], "diabetes", "--username", USER, push=True, password=PASSWORD
    )
    expect(done.code == 0, f"the push failed:\n{done.all}")
    world.facts["digest"] = done.json()["digest"]
    world.say.check(f"pushed {world.image}", f"{time.monotonic() - began:.1f} s")


def package(
    world: World,
    model: Any,
    name: str,
    *options: str,
    push: bool = False,
    password: str | None = None,
    **more: str,
) -> Said:
    """`edgetender package`, with everything it keeps below the demo's directory."""
    tag = more.get("tag", world.image)
    words: list[Any] = ["package", model, "--name", name, "--entry-script", "score.py", "--source-dir"]
    words += [more.get("source", EXAMPLE), "--requirements", EXAMPLE / "requirements.txt"]
    words += ["--base", world.base, "--store", world.home / "store", "-t", tag, "-o", "json"]
    words += ["--output", f"oci:{world.home / 'images' / name}", *options]
    if push:
        words += ["--push", "--registry-ca", world.registry.ca]
    (world.home / "images").mkdir(exist_ok=True)
    return world.device.cli(*words, env={"EDGETENDER_REGISTRY_PASSWORD": password} if password else None)


def _module(name: str) -> Any:
    """The example's own program, imported from where it lies."""
    spec = importlib.util.spec_from_file_location(f"diabetes_{name}", EXAMPLE / f"{name}.py")
    if spec is None or spec.loader is None:
        raise StoryFailed(f"cannot import {EXAMPLE / name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
