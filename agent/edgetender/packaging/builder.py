"""How does a model become an image? Base, environment, server, application, model: layers, and no engine.

A layer that was built before from the same input is taken from the store: what has not changed is neither
built nor, by its digest, transferred again.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from edgetender.errors import ConfigInvalid, NotFound, Problem
from edgetender.model.units import size_text
from edgetender.packaging import (
    accelerators,
    application,
    base_image,
    conda_file,
    environment,
    oci_layout,
    server_layer,
)
from edgetender.packaging.base_image import Python
from edgetender.packaging.conda_file import CondaSpec
from edgetender.packaging.environment import Spec
from edgetender.packaging.image_config import image_config
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.layer import Entry, Layer, pack, tree
from edgetender.packaging.layer_store import LayerStore, fingerprint
from edgetender.packaging.model_store import Model
from edgetender.packaging.no_code import NoCode
from edgetender.packaging.oci_layout import Image
from edgetender.packaging.onnx_preparation import Prepared
from edgetender.packaging.server_layer import ENVIRONMENT, PREFIX

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """One layer of a built image: what it is (base, environment, …), and whether it was there already."""

    kind: str
    digest: str
    size_bytes: int
    reused: bool


@dataclass(frozen=True, slots=True)
class Built:
    """A finished image: its digest, where its layout is, its layers from the bottom up."""

    digest: str
    layout: Path
    platform: str
    layers: tuple[BuiltLayer, ...]


@dataclass(frozen=True, slots=True)
class Assembled:
    """An image whose blobs are all in the store: *added* are our layers (kind, layer) upon *base*.

    *conda*: the text of the conda file whose packages an engine has still to install.
    """

    base: Image
    python: Python
    added: tuple[tuple[str, Layer], ...]
    image: Image
    layers: tuple[BuiltLayer, ...]
    conda: str | None = None


class DirectBuilder:
    """Assembles images with the layers in *store*; after a crash it holds whole blobs only."""

    def __init__(self, store: Path, *, server_source: Path | None = None, say: Say = lambda _: None) -> None:
        self._store = LayerStore(store)
        self._server_source = server_source
        self._say = say

    def build(
        self,
        models: tuple[Model, ...],
        config: InferenceConfig,
        base: Path,
        out: Path,
        *,
        platform: str = "linux/amd64",
        reference: str | None = None,
    ) -> Built:
        """Write the image as the layout *out*. Raises ConfigInvalid with every fault, NotFound, Permanent.

        *base*: an OCI layout, or a root file system as directory or tar.
        """
        made = self.assemble(models, config, base, platform=platform)
        oci_layout.write(made.image, out, name=reference)
        return Built(made.image.digest, out, made.image.platform, made.layers)

    def assemble(
        self,
        models: tuple[Model, ...],
        config: InferenceConfig,
        base: Path,
        *,
        platform: str = "linux/amd64",
        by_engine: bool = False,
        no_code: NoCode | None = None,
        accelerator: str = "cpu",
        required: bool = False,
        prepared: Prepared | None = None,
        baseline: bytes | None = None,
    ) -> Assembled:
        """Put all of the image into the store. *by_engine*: what only an engine can add comes later.

        *no_code*: serve the one model so, without an entry script. *required*: never serve without the
        *accelerator*. *prepared*: what goes beside the one model. *baseline*: what requests are
        compared with. Raises as `build`.
        """
        _check(config, by_engine=by_engine, script_required=no_code is None)
        server = server_layer.find(self._server_source)
        ground, ground_reused = self._base(base, platform)
        conda = _left_to_conda(config) if by_engine else None
        python = self._python(ground) if conda is None else self._condas_python(ground, conda)
        given = environment_spec(config, python) if conda is None else None
        spec = given or Spec(no_code.requirements if no_code and conda is None else ())
        spec = accelerators.adapted(spec, accelerator)
        added: list[tuple[str, Layer]] = []
        layers = [BuiltLayer("base", one.digest, one.size, ground_reused) for one in ground.layers]

        def add(kind: str, layer: Layer, *, reused: bool) -> None:
            added.append((kind, layer))
            layers.append(BuiltLayer(kind, layer.digest, layer.size, reused))
            self._say(f"{kind} layer {'reused' if reused else 'built'}, {size_text(layer.size)}")

        key = spec.key(ground.digest, python)
        if spec.requirements:
            layer, reused = self._installed(f"environment-{key}", spec, python, ENVIRONMENT)
            add("environment", layer, reused=reused)
        server_key = server.key(server.spec.key("", python))  # any base with this Python will do
        own = list(server.entries())
        layer, reused = self._installed(f"server-{server_key}", server.spec, python, PREFIX, own)
        add("server", layer, reused=reused)
        for kind, entries in (
            ("application", application.application_entries(config, no_code)),
            ("model", application.model_entries(models, prepared, baseline) if models or baseline else []),
        ):
            if entries:
                layer, reused = self._packed(entries)
                add(kind, layer, reused=reused)
        labels = {"io.edgetender.environment": key, "io.edgetender.server": server.version}
        labels |= prepared.labels if prepared is not None else {}
        script = application.script_path(config, no_code)
        settings = accelerators.settings(accelerator, required=required)
        content = image_config(ground, added, python.path, models, script, labels=labels, settings=settings)
        packed = (*ground.layers, *(layer for _, layer in added))
        image = oci_layout.put_image(self._store.blobs, content, packed)
        return Assembled(ground, python, tuple(added), image, tuple(layers), conda.text if conda else None)

    def _base(self, base: Path, platform: str) -> tuple[Image, bool]:
        """Bring the base into the store; return it and whether it was there."""
        blobs = self._store.blobs
        if (base / "oci-layout").is_file():
            found = oci_layout.read(base, platform)
            known = all(self._store.holds(one.digest) for one in found.layers)
            for one in found.layers:
                oci_layout.share(oci_layout.blob(found.blobs, one.digest), oci_layout.blob(blobs, one.digest))
            return Image(blobs, found.digest, found.config, found.layers), known
        if not base.exists():
            raise NotFound(f"cannot find the base {base}; name an OCI layout or a root file system")
        key = (
            f"base-{fingerprint(base)}" if base.is_file() else None
        )  # a directory is looked through each time
        kept = self._imported(key) if key is not None else None
        if (image := kept) is None:
            self._say(f"importing {base}")
            image = base_image.import_rootfs(base, blobs)
            if key is not None:
                self._store.keep(key, {"image": image.digest, "layer": image.layers[0].digest})
        oci_layout.check_platform(image, platform, base)
        return image, kept is not None

    def _imported(self, key: str) -> Image | None:
        """What the note *key* names, if it is still here, and whole: a power cut may have left it hollow."""
        kept = self._store.note(key)
        if kept is None or not self._store.holds(kept["layer"]):
            return None
        try:
            return oci_layout.image_of(self._store.blobs, kept["image"])
        except (OSError, ValueError, KeyError):
            return None

    def _python(self, image: Image) -> Python:
        key = f"python-{image.digest.removeprefix('sha256:')}"
        if (kept := self._store.note(key)) is not None:
            return Python(**kept)
        found = base_image.python_of(image)
        self._say(f"the base has {found.path} and glibc 2.{found.glibc_minor}")
        self._store.keep(key, asdict(found))
        return found

    def _condas_python(self, image: Image, conda: CondaSpec) -> Python:
        """The Python that conda will install; the base needs none."""
        if conda.python_minor is None:
            text = "conda installs the Python too: name its version, like python=3.12"
            raise ConfigInvalid((Problem(conda.python_at, "conda.python", text),))
        return Python(
            f"/{ENVIRONMENT}/bin/python", conda.python_minor, base_image.glibc_of(image), image.platform
        )

    def _installed(
        self, key: str, spec: Spec, python: Python, at: str, own: Iterable[Entry] = ()
    ) -> tuple[Layer, bool]:
        """Return the layer of packages and *own* at the path *at*, and whether it was there already."""
        if (kept := self._store.layer(key)) is not None:
            return kept, True
        with TemporaryDirectory(prefix="install-", dir=self._store.root) as scratch:
            target = Path(scratch, "packages")
            environment.install(spec, target, python, self._say)
            environment.compile_ahead(target, python, f"/{at}", self._say)
            entries = {entry.path: entry for entry in tree(target, at, skip_caches=False)}
            entries |= {entry.path: entry for entry in own}
            layer = pack(entries.values(), self._store.blobs)
        self._store.keep_layer(key, layer)
        return layer, False

    def _packed(self, entries: list[Entry]) -> tuple[Layer, bool]:
        known = {path.name for path in self._store.blobs.iterdir()}
        layer = pack(entries, self._store.blobs)
        return layer, layer.digest.removeprefix("sha256:") in known


def needs_an_engine(config: InferenceConfig) -> bool:
    """Whether there are Dockerfile steps, or conda packages that are not pip's. Raises ConfigInvalid."""
    return config.extra_docker_file_steps is not None or _left_to_conda(config) is not None


def _left_to_conda(config: InferenceConfig) -> CondaSpec | None:
    named = config.environment
    if named is not None and named.conda is not None:
        spec = conda_file.read(named.conda, "environment")
    elif config.conda_file is not None:
        spec = conda_file.read(environment.text_of(config.path(config.conda_file), conda_file.KEY))
    else:
        return None
    return None if spec.pure_pip else spec


def _check(config: InferenceConfig, *, by_engine: bool, script_required: bool) -> None:
    """Raise ConfigInvalid with every fault, this builder's limits among them."""
    problems = config.problems(script_required=script_required)
    if config.extra_docker_file_steps is not None and not by_engine:
        text = "Dockerfile steps need an engine that builds; this builder assembles without one"
        problems += (Problem("extraDockerfileSteps", "builder.cannot", f"{text}: --builder docker"),)
    if problems:
        raise ConfigInvalid(problems)


def environment_spec(config: InferenceConfig, python: Python) -> Spec | None:
    """Return what the configuration asks to be installed by pip; None: it says nothing. Raises ConfigInvalid."""
    named = config.environment
    if named is not None and named.is_reference:
        text = f"{named.name} is a registered one's name; package it from its workspace"
        raise ConfigInvalid((Problem("environment", "environment.unresolved", text),))
    if named is not None and named.conda is not None:
        return conda_file.of_conda(named.conda, python.minor, at="environment")
    if named is not None and named.requirements is not None:
        return environment.of_requirements(named.requirements, "environment")
    if config.conda_file is not None:
        return conda_file.from_conda(config.path(config.conda_file), python.minor)
    if config.requirements_file is not None:
        return environment.from_requirements(config.path(config.requirements_file))
    return None
