"""How does a program use the model registry? The original's Model: register, find, download, package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgetender.errors import ConfigInvalid, NotFound, Problem
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.model_store import framework_named, parse_model
from edgetender.packaging.package import ModelPackage, PackageError
from edgetender.packaging.packager import Order
from edgetender.packaging.store_removal import remove_model
from edgetender.packaging.workspace import Workspace

_IMAGE = re.compile(r"^[a-z0-9]([-.a-z0-9]{0,30}[a-z0-9])?$")
_LABEL = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")


class Model:
    """A registered version of a model; *record* is what the store keeps of it.

    Found by *name* (and *version*; the latest without), by *id* (`name:version`), and by *tags* and
    *properties*, which a version must have all. Raises NotFound.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str | None = None,
        id: str | None = None,  # noqa: A002  the original's word
        tags: Sequence[str] | Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        version: int | None = None,
    ) -> None:
        self.workspace = workspace
        if id is not None:
            name, version = parse_model(id)
        if name is None:
            raise ConfigInvalid((Problem("name", "value.missing", "name a model, or its id"),))
        wanted = _pairs(tags), dict(properties or {})
        for record in reversed([one for one in workspace.models.list() if one.name == name]):
            fits = version in (None, record.version)
            if fits and _has(record.tags, wanted[0]) and _has(record.properties, wanted[1]):
                self.record = record
                return
        workspace.models.get(name, version)  # says which is missing: the name or the version
        raise NotFound(f"cannot find the model {name!r}: no version has these tags and properties")

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def version(self) -> int:
        return self.record.version

    @property
    def id(self) -> str:
        return self.record.reference

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.record.tags)

    @property
    def properties(self) -> dict[str, str]:
        return dict(self.record.properties)

    @property
    def description(self) -> str | None:
        return self.record.description

    @property
    def model_framework(self) -> str | None:
        return self.record.framework

    def __repr__(self) -> str:
        return f"Model(name={self.name}, id={self.id}, version={self.version}, tags={self.tags})"

    @classmethod
    def register(
        cls,
        workspace: Workspace,
        model_path: str | Path,
        model_name: str,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        description: str | None = None,
        model_framework: str | None = None,
    ) -> Model:
        """Keep a copy as the next version. Raises ConfigInvalid, NotFound."""
        path = Path(model_path)
        record = workspace.models.register(
            path,
            model_name,
            framework=framework_named(model_framework) if model_framework else None,
            tags=dict(tags or {}),
            properties=dict(properties or {}),
            description=description,
            created=f"{workspace.now():%Y-%m-%dT%H:%M:%SZ}",
        )
        return cls(workspace, id=record.reference)

    @classmethod
    def list(cls, workspace: Workspace, name: str | None = None, latest: bool = False) -> list[Model]:
        """Return registered versions, by name and number; *latest*: one of each name."""
        found = {
            (one.name,) if latest else (one.name, one.version): one
            for one in workspace.models.list()
            if name in (None, one.name)
        }
        return [cls(workspace, id=one.reference) for one in found.values()]

    @staticmethod
    def get_model_path(model_name: str, version: int | None = None, _workspace: Any = None) -> str:
        """Return where a script finds its model: `azureml-models/NAME/VERSION/ENTRY`, or `./NAME` beside it.

        Raises PackageError when there is no such, or not exactly one.
        """
        if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
            raise PackageError(f"version should be an integer, not {version!r}")
        folder = Path("azureml-models", model_name)
        found = [path for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
        if not found:
            if Path(model_name).exists():
                return model_name
            raise PackageError(
                f"cannot find the model {model_name}: neither {folder} nor ./{model_name} exists; the image has it"
            )
        number = max(int(path.name) for path in found) if version is None else version
        entries = sorted((folder / str(number)).iterdir()) if (folder / str(number)).is_dir() else []
        if len(entries) != 1:
            raise PackageError(
                f"cannot find the model {model_name}: {folder / str(number)} has {len(entries)} entries, not one"
            )
        return str(entries[0])

    def download(self, target_dir: str | Path = ".", exist_ok: bool = False) -> str:
        """Copy the model out of the store, checked against its hash. Raises Permanent."""
        return str(self.workspace.models.download(self.record, Path(target_dir), overwrite=exist_ok))

    def delete(self) -> None:
        """Take this version out of the store. Raises Permanent when an image there has it."""
        remove_model(self.workspace, self.record)

    @staticmethod
    def package(
        workspace: Workspace,
        models: Sequence[Model],
        inference_config: InferenceConfig | None = None,
        generate_dockerfile: bool = False,
        image_name: str | None = None,
        image_label: str | None = None,
    ) -> ModelPackage:
        """Begin to make a package of the models; return at once.

        The image goes to the workspace's registry where it has one, and is kept here anyhow. Raises
        ConfigInvalid for names that none can be; what else is wrong comes from `wait_for_creation`.
        """
        name = image_name or "package"
        problems = []
        if not _IMAGE.match(name):
            problems.append(
                Problem("image_name", "image.name", f"{name!r}: lower-case letters, digits, - and .")
            )
        if image_label is not None and not _LABEL.match(image_label):
            problems.append(Problem("image_label", "image.label", f"{image_label!r} is no tag"))
        if problems:
            raise ConfigInvalid(tuple(problems))
        with suppress(NotFound):  # no registry yet: the image stays here
            name = f"{workspace.logins.default().address}/{name}"
        order = Order(
            tuple(one.record for one in models),
            inference_config or InferenceConfig(),
            f"{name}:{image_label or workspace.timestamp(name)}",
            platform=workspace.platform,
            accelerator="cuda" if inference_config and inference_config.enable_gpu else "cpu",
        )
        return ModelPackage(workspace, order, generate_dockerfile=generate_dockerfile).start()


def _pairs(tags: Sequence[str] | Mapping[str, str] | None) -> dict[str, str | None]:
    """Tags to look for: with a value, or any."""
    if isinstance(tags, Mapping):
        return dict(tags)
    return dict.fromkeys(tags or ())


def _has(there: Mapping[str, str], wanted: Mapping[str, str | None]) -> bool:
    return all(key in there and value in (None, there[key]) for key, value in wanted.items())
