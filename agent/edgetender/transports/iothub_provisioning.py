"""Which hub is this device's? The provisioning service is asked once; its answer is kept until the hub refuses."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from typing import Any

from edgetender import durable
from edgetender.errors import LinkDown
from edgetender.transports.iothub_connection import is_refused, provisioning_client, spelled
from edgetender.transports.settings import IotHubSettings

log = logging.getLogger(__name__)


class Provisioned:
    """The settings with the hub and the name that the service assigned. Threads: one."""

    def __init__(self, settings: IotHubSettings) -> None:
        self._settings = settings
        self._known = self._kept()

    def settings(self) -> IotHubSettings:
        """Asks the service if nothing is known yet. Raises LinkDown."""
        if not self._settings.id_scope:
            return self._settings
        if self._known is None:
            self._known = self._asked()
            self._keep(self._known)
        host, device = self._known
        return replace(self._settings, host=host, device=device)

    def forget(self) -> None:
        """The hub refuses: it may be another's now, the service is asked again."""
        self._known = None

    def _asked(self) -> tuple[str, str]:
        where = f"{self._settings.provisioning_host} for {self._settings.registration}"
        outcome: list[Any] = []
        done = threading.Event()

        def ask() -> None:
            client = None
            try:
                client = provisioning_client(self._settings)
                outcome.append(client.register())
            except Exception as error:  # noqa: BLE001  # told below, on the thread that waits
                outcome.append(error)
            done.set()

        threading.Thread(target=ask, name="iothub-provisioning", daemon=True).start()
        if not done.wait(self._settings.answer_s * 3):
            raise LinkDown(f"cannot ask {where}: no answer within {self._settings.answer_s * 3:g} s")
        (result,) = outcome
        if isinstance(result, Exception):
            why = "it refuses this device's credentials" if is_refused(result) else spelled(result)
            raise LinkDown(f"cannot ask {where}: {why}") from result
        state = result.registration_state
        if result.status != "assigned" or not state.assigned_hub:
            raise LinkDown(f"cannot ask {where}: the service says {result.status}")
        log.info("assigned", extra={"fields": {"hub": state.assigned_hub, "device": state.device_id}})
        return str(state.assigned_hub), str(state.device_id)

    def _kept(self) -> tuple[str, str] | None:
        """What was assigned before: the service may be out of reach while the hub is not."""
        file = self._settings.assignment
        try:
            said = json.loads(file.read_text()) if file is not None else {}
            mine = said["idScope"], said["registration"]
            if mine != (self._settings.id_scope, self._settings.registration):
                return None
            return str(said["hub"]), str(said["device"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep(self, known: tuple[str, str]) -> None:
        file = self._settings.assignment
        if file is None:
            return
        said = {"idScope": self._settings.id_scope, "registration": self._settings.registration}
        try:
            durable.replace(file, json.dumps(said | {"hub": known[0], "device": known[1]}).encode())
        except OSError as error:
            log.warning("assignment not kept", extra={"fields": {"why": str(error)}})
