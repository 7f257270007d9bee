"""Who makes a package? Finds the base, chooses the builder, and puts the image or the build context where asked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging import baseline, build_context, engine_build, oci_layout
from edgetender.packaging.bases import Base
from edgetender.packaging.builder import Assembled, Built, BuiltLayer, DirectBuilder, needs_an_engine
from edgetender.packaging.image_store import registry_of
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.model_store import Model
from edgetender.packaging.no_code import NoCode
from edgetender.packaging.no_code import plan as no_code_plan
from edgetender.packaging.onnx_preparation import Prepared, prepare
from edgetender.packaging.push import push
from edgetender.packaging.workspace import Workspace

BUILDERS = ("auto", "direct", "docker")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be packaged, and upon what. *base*: before the configuration's own; None: that, or the default.

    *accelerator*: one of accelerators.PREFERENCE; *required*: it never serves without. *optimize* and *sample*:
    of an ONNX model without an entry script; see onnx_preparation. *baseline*: rows of what the model was made with.
    """

    models: tuple[Model, ...]
    config: InferenceConfig
    reference: str
    platform: str = "linux/amd64"
    accelerator: str = "cpu"
    required: bool = False
    base: str | None = None
    builder: str = "auto"
    optimize: str = "auto"
    sample: Path | None = None
    baseline: Path | None = None


@dataclass(frozen=True, slots=True)
class Packager:
    """Makes packages in *workspace*; *say* gets the log, line by line."""

    workspace: Workspace
    say: Say = lambda _: None

    def image(self, order: Order, out: Path | None = None) -> Built:
        """Make the image; its layout is *out*, or the image store's under the order's reference.

        Raises ConfigInvalid with every fault, NotFound, Permanent; EngineDown, EngineRefused by builder docker.
        """
        if out is not None:
            _outside(order.config, out, "--output")
            with self.workspace.used():
                return self._image(order, out)
        with self.workspace.used(), self.workspace.images.making(order.reference) as part:
            built = self._image(order, part)
        return replace(built, layout=self.workspace.images.place(order.reference))

    def push_where_it_belongs(self, reference: str) -> None:
        """Send the store's image to the registry it is named after, if that is the workspace's own."""
        host = registry_of(reference)
        if host is not None and host in {login.address for login in self.workspace.logins.all()}:
            self.say(f"pushing {reference}")
            layout, login = self.workspace.images.get(reference).layout, self.workspace.logins.get(host)
            push(reference, layout, login, say=self.say)

    def context(self, order: Order, out: Path) -> Assembled:
        """Make the build context of the same image."""
        _outside(order.config, out, "--output")
        with self.workspace.used():
            made, base = self.assemble(order)
            self.write_context(order, made, base, out)
        return made

    def assemble(self, order: Order, *, by_engine: bool = True) -> tuple[Assembled, Base]:
        """Put the image's parts into the store, all but what Dockerfile steps would add."""
        order = self._resolved(order)
        config = order.config
        _outside(config, self.workspace.root, "--store")
        named = config.environment.base_image if config.environment else None
        no_code = no_code_plan(config, order.models, order.accelerator, self.say)
        config.check(script_required=no_code is None)  # before anything is fetched
        known = baseline.read(order.baseline) if order.baseline is not None else None
        prepared = self._prepared(order, no_code)
        if order.sample is not None and prepared is None:
            text = "goes with an Onnx model without an entry script, which the server runs itself"
            raise ConfigInvalid((Problem("--sample", "value.conflict", text),))
        if no_code is not None and prepared is not None:
            no_code = no_code.with_runtime(prepared.runtime)
        base = self.workspace.bases(self.say).find(
            self._derived(order.base or config.base_reference or named or self.workspace.base),
            order.platform,
            accelerator=order.accelerator,
            registry=config.base_image_registry,
        )
        builder = DirectBuilder(self.workspace.root, server_source=self.workspace.server_source, say=self.say)
        made = builder.assemble(
            order.models,
            config,
            base.path,
            platform=order.platform,
            by_engine=by_engine,
            no_code=no_code,
            accelerator=order.accelerator,
            required=order.required,
            prepared=prepared,
            baseline=known,
        )
        return made, base

    def _derived(self, base: str | None) -> str | None:
        """`from-run:ID` is the image that a training run left behind: the model that came of the run knows it."""
        if base is None or not base.startswith("from-run:"):
            return base
        wanted = base.removeprefix("from-run:")
        for one in reversed(self.workspace.models.list()):
            if wanted in {one.properties.get("runId"), one.name, one.reference}:
                image = one.properties.get("derivedImageName") or one.properties.get(
                    "AzureML.DerivedImageName"
                )
                if image:
                    return image
        text = (
            f"no model with the property runId={wanted} (or of that name) has the property derivedImageName"
        )
        raise ConfigInvalid((Problem("baseImage", "base.no_run", text),))

    def _prepared(self, order: Order, no_code: NoCode | None) -> Prepared | None:
        """The model the server runs itself, checked and optimised; others are their scripts' own to load."""
        if no_code is None or no_code.script is not None:
            return None
        place = self.workspace.root / "prepared"
        return prepare(
            order.models[0], order.platform, order.optimize, place, self.say,
            sample=order.sample, accelerator=order.accelerator,
        )  # fmt: skip

    def _resolved(self, order: Order) -> Order:
        """The order with its environment as it is registered, where it only names one."""
        named = order.config.environment
        if named is None:
            return order
        found = self.workspace.environments.found(named)
        return replace(order, config=replace(order.config, environment=found))

    def write_context(self, order: Order, made: Assembled, base: Base, out: Path) -> None:
        steps = order.config.extra_docker_file_steps
        text = order.config.path(steps).read_text(encoding="utf-8") if steps is not None else None
        build_context.write(made, out, base_name=base.reference, steps=text, tag=order.reference)

    def _image(self, order: Order, out: Path) -> Built:
        order = self._resolved(order)
        builder = _chosen(order)
        self.say(f"packaging {order.reference} for {order.platform}, builder {builder}")
        if builder == "docker" and order.builder == "auto":
            steps = order.config.extra_docker_file_steps is not None
            why = "extraDockerfileSteps are run" if steps else "micromamba installs its conda packages"
            self.say(f"a container engine builds it: {why} there")
        made, base = self.assemble(order, by_engine=builder == "docker")
        if builder == "direct":
            oci_layout.write(made.image, out, name=order.reference)
            return Built(made.image.digest, out, made.image.platform, made.layers)
        return self._built_by_an_engine(order, made, base, out)

    def _built_by_an_engine(self, order: Order, made: Assembled, base: Base, out: Path) -> Built:
        """Build the context, and take the result out again: the image is here then, as a direct one is."""
        engine, blobs = self.workspace.engine(), self.workspace.layers().blobs
        with TemporaryDirectory(prefix="build-", dir=self.workspace.root) as scratch:
            context = Path(scratch, "context")
            if base.reference is not None and not engine.has(base.reference):
                engine.load(made.base, base.reference)  # pulled already; the engine need not do it again
            self.write_context(order, made, base, context)
            image = engine_build.image(
                engine, context, order.reference, self.say, blobs, platform=order.platform
            )
        oci_layout.write(image, out, name=order.reference)
        layers = tuple(BuiltLayer("docker", one.digest, one.size, reused=False) for one in image.layers)
        return Built(image.digest, out, image.platform, layers)


def _outside(config: InferenceConfig, path: Path, option: str) -> None:
    """What is made must not lie among what is packed: the next package would hold this one."""
    source = os.path.realpath(config.source)
    if config.source_directory and Path(os.path.realpath(path)).is_relative_to(source):
        text = f"{path} lies in the source directory, which is packed whole; name a place outside of it"
        raise ConfigInvalid((Problem(option, "path.inside", text),))


def _chosen(order: Order) -> str:
    """Direct wherever it can: no engine, no root, the same digest each time."""
    if order.builder not in BUILDERS:
        text = f"{order.builder!r} is not one of {', '.join(BUILDERS)}"
        raise ConfigInvalid((Problem("--builder", "value.unknown", text),))
    if order.builder != "auto":
        return order.builder
    return "docker" if needs_an_engine(order.config) else "direct"
