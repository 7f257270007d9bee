"""How does a directory of models become a service? Loaded off the event loop, offered on it."""

from __future__ import annotations

from pathlib import Path

from edgetender_scoring.hardware import HardwareReport
from edgetender_scoring.inference import ModelHandler
from edgetender_scoring.nocode_score import ScoreCodec, described
from edgetender_scoring.providers import ModelUnusable
from edgetender_scoring.repository import Entry, Repository
from edgetender_scoring.served import Served
from edgetender_scoring.settings import Settings
from edgetender_scoring.swagger import Service, Swagger

_GOLDEN = "golden.json"  # where packages put it, in the application root


def repository(settings: Settings, place: Path) -> Repository:
    return Repository(place, settings.models, settings.model_control, settings.root / _GOLDEN)


def load(models: Repository) -> list[Entry]:
    """Load all there are. Blocks. Raises ModelUnusable with every reason."""
    found = models.find()
    if not found:
        raise ModelUnusable(f"there is no model in {models.place}")
    entries, faults = [], []
    for one in found:
        try:
            entries.append(models.load(one))
        except ModelUnusable as error:
            faults.append(str(error))
    if faults:
        raise ModelUnusable("; ".join(faults))
    return entries


def offer(served: Served, models: Repository, settings: Settings) -> None:
    """Let /score answer with the newest version of the only model; with several, only /v2 can tell them apart."""
    names = {model.name for model in models.models}
    served.repository, served.ready = models, True
    served.score = served.hardware = served.swagger = served.named = None
    served.absent = 404
    if len(names) != 1:
        listed = ", ".join(sorted(names)) or "none"
        served.why_not = f"Several models or none are served ({listed}); use /v2/models/NAME/infer."
        return
    entry = models.entry(names.pop())
    if entry is None or entry.model is None:
        return
    takes, gives = described(entry.model)
    service = Service(settings.service_name, settings.service_version, settings.path_prefix, takes, gives)
    served.named = (entry.model.name, entry.model.version)
    served.score = ModelHandler(entry.model, ScoreCodec())
    served.hardware = HardwareReport(entry.model)
    served.swagger = Swagger(service, settings.root)


def threads(settings: Settings, entries: list[Entry]) -> int:
    """How many threads score: as told, else one per CPU, where a run takes but one of them."""
    if settings.threads_said:
        return settings.threads or settings.models.cpus
    inside = max((entry.model.intra_op for entry in entries if entry.model is not None), default=1)
    return max(1, settings.models.cpus // inside)
