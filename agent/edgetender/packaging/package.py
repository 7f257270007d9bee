"""What becomes of a package that was asked for? It is made on a thread; this follows it, and hands it out."""

from __future__ import annotations

import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgetender.errors import AgentError, Permanent, WithProblems
from edgetender.packaging.bases import Base
from edgetender.packaging.builder import Assembled
from edgetender.packaging.image_store import registry_of
from edgetender.packaging.inference_config import ContainerRegistry
from edgetender.packaging.packager import Order, Packager
from edgetender.packaging.workspace import Workspace


class PackageError(Permanent):
    """A package could not be made, or was asked for what its kind has not."""

    code = "package.failed"


class ModelPackage:
    """An image, or the Dockerfile kind of it, being made; as the original's class, from any thread.

    *state* goes NotStarted, Running, then Succeeded or Failed; *error* says why. *location* is the image's
    reference, or for a Dockerfile package the directory that it was saved to last.
    """

    def __init__(self, workspace: Workspace, order: Order, *, generate_dockerfile: bool) -> None:
        self._workspace, self._order = workspace, order
        self.generate_dockerfile = generate_dockerfile
        self.state = "NotStarted"
        self.location: str | None = None if generate_dockerfile else order.reference
        self.error: dict[str, Any] | None = None
        self._made: tuple[Assembled, Base] | None = None
        self._log_path = workspace.log_of(order.reference)
        self._changed = threading.Condition()
        self._logged = 0
        self._cause: Exception | None = None

    @property
    def package_build_log_uri(self) -> str:
        return self._log_path.resolve().as_uri()

    def start(self) -> ModelPackage:
        """Begin; return at once. The interpreter does not end before the package is there or failed."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path.write_bytes(b"")
        self.state = "Running"
        threading.Thread(target=self._make, name=f"package {self._order.reference}").start()
        return self

    def get_logs(self, decode: bool = True, offset: int = 0) -> str | bytes:
        """Return the build's log from the byte *offset* on."""
        content = self._log_path.read_bytes()[offset:] if self._log_path.is_file() else b""
        return content.decode("utf-8", "replace") if decode else content

    def wait_for_creation(self, show_output: bool = False) -> None:
        """Return when the package is there; *show_output* prints the log as it grows.

        Raises PackageError with state, code and reason when it failed.
        """
        shown = 0
        while True:
            with self._changed:
                ended = self.state in {"Succeeded", "Failed"}
                if not ended and self._logged == shown:
                    self._changed.wait()
                    continue
            if show_output:
                new = self.get_logs(decode=False, offset=shown)
                shown += len(new)
                sys.stdout.write(new.decode("utf-8", "replace") if isinstance(new, bytes) else new)
                sys.stdout.flush()
            else:
                shown = self._logged
            if ended:
                break
        if self.state == "Failed":
            error = self.error or {}
            text = f"cannot create the package {self._order.reference}: state {self.state}"
            raise PackageError(f"{text}, {error.get('code')}: {error.get('message')}") from self._cause
        if show_output:
            sys.stdout.write("Package creation Succeeded\n")

    def update_creation_state(self) -> None:
        """Nothing to ask for: the state is this process's own. Kept for callers of the original."""

    def pull(self) -> None:
        """Give the image to the container engine, as `docker pull` would. Raises PackageError, EngineDown."""
        if self.generate_dockerfile:
            raise PackageError("A Dockerfile package cannot be pulled. Use save() instead.")
        self.wait_for_creation()
        reference = self._order.reference
        kept = self._workspace.images.get(reference)
        status = self._workspace.engine().give(kept.image, reference)
        sys.stdout.write(f"Digest: {kept.image.digest}\nStatus: {status}\n")

    def save(self, output_directory: str | Path) -> None:
        """Write Dockerfile, azureml-app and the rest into a directory. Raises PackageError."""
        if not self.generate_dockerfile:
            raise PackageError("Docker images cannot be saved to a local directory. Use pull() instead.")
        out = Path(output_directory)
        if out.exists() and not out.is_dir():
            raise PackageError(f"Error, output path is not a directory: {out}")
        self.wait_for_creation()
        if self._made is None:
            raise PackageError("cannot save the package: it is being made")
        made, base = self._made
        with self._workspace.used():
            Packager(self._workspace).write_context(self._order, made, base, out)
        self.location = str(out.resolve())
        self._try_login()

    def get_container_registry(self) -> ContainerRegistry:
        """Where the image is; for a Dockerfile package, where its base image is. The password is plain text."""
        self.wait_for_creation()
        given = self._order.config.base_image_registry
        if self.generate_dockerfile and given.username:
            password = given.secret()
            return ContainerRegistry(given.address, given.username, password.reveal() if password else None)
        reference = self._order.reference
        if self.generate_dockerfile:
            reference = (self._made[1].reference if self._made else None) or ""
        host = registry_of(reference)
        if host is None:
            return ContainerRegistry()
        known = self._workspace.logins.get(host).credential()
        return ContainerRegistry(host, *((known.username, known.password.reveal()) if known else ()))

    def serialize(self) -> dict[str, Any]:
        return {
            "generateDockerfile": self.generate_dockerfile,
            "state": self.state,
            "location": self.location,
        }

    def _make(self) -> None:
        try:
            packager = Packager(self._workspace, self._say)
            began = self._workspace.now()
            if self.generate_dockerfile:
                with self._workspace.used():
                    self._made = packager.assemble(self._order)
            else:
                packager.image(self._order)
                packager.push_where_it_belongs(self._order.reference)
            seconds = (self._workspace.now() - began).total_seconds()
            self._say(f"Run ID: {self._log_path.stem} was successful after {seconds:.0f}s")
        except Exception as error:  # noqa: BLE001  whatever it is, who waits must hear of it
            self._end("Failed", error)
        else:
            self._end("Succeeded", None)

    def _end(self, state: str, error: Exception | None) -> None:
        with self._changed:
            if error is not None:
                self._cause = error
                self.error = {
                    "code": error.code if isinstance(error, AgentError) else "packaging.fault",
                    "statusCode": 400 if isinstance(error, WithProblems) else 500,
                    "message": str(error) or repr(error),
                    "details": [
                        {"code": one.code, "path": one.path, "message": one.message}
                        for one in getattr(error, "problems", ())
                    ],
                }
            self.state = state
            self._changed.notify_all()

    def _say(self, line: str) -> None:
        with self._changed:
            with self._log_path.open("ab") as log:
                log.write(f"{line}\n".encode())
            self._logged = self._log_path.stat().st_size
            self._changed.notify_all()

    def _try_login(self) -> None:
        """The base is about to be pulled by name; that its registry will not have us is better known now."""
        given = self._order.config.base_image_registry
        if not (given.username and given.address):
            return
        _warn_if_refused(self._workspace, given)


def _warn_if_refused(workspace: Workspace, given: ContainerRegistry) -> None:
    login = replace(
        workspace.logins.get(given.address or ""), username=given.username, password=given.secret()
    )
    try:
        with login.open() as registry:
            registry.sign_in()
    except AgentError as error:
        warnings.warn(f"{error}; log in before docker build", stacklevel=4)
