"""Where do script and models lie in the image? Below the application root, as the contract has it."""

from pathlib import Path

from edgetender.packaging.baseline import NAME
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.layer import Entry, tree
from edgetender.packaging.model_store import Model
from edgetender.packaging.no_code import SCRIPT_NAME, NoCode
from edgetender.packaging.onnx_preparation import Prepared

ROOT = "var/azureml-app"
_MODELS = "azureml-models"


def script_path(config: InferenceConfig, no_code: NoCode | None = None) -> str | None:
    """The entry script, relative to the application root; None: the server runs the model itself."""
    if no_code is not None:
        return SCRIPT_NAME if no_code.script is not None else None
    entry = Path(config.entry_script or "")
    return (entry if config.source_directory is not None else Path(entry.name)).as_posix()


def model_dir(models: tuple[Model, ...]) -> str:
    """What AZUREML_MODEL_DIR says: one model's own directory; for several, the directory of them all."""
    return f"{_MODELS}/{models[0].name}/{models[0].version}" if len(models) == 1 else _MODELS


def application_entries(config: InferenceConfig, no_code: NoCode | None = None) -> list[Entry]:
    """The source directory, or the entry script alone; without code, the generated script, if there is one."""
    if no_code is not None:
        at = f"{ROOT}/{SCRIPT_NAME}"
        made = [] if no_code.script is None else [Entry(at, no_code.script, mode=0o644)]
        return [Entry(ROOT), *made]
    if config.source_directory is not None:
        return list(tree(config.source, ROOT))
    script = config.path(config.entry_script or "")
    return [Entry(ROOT), Entry(f"{ROOT}/{script.name}", script, mode=0o644)]


def model_entries(
    models: tuple[Model, ...], prepared: Prepared | None = None, baseline: bytes | None = None
) -> list[Entry]:
    """Each model below `<name>/<version>/`, under its own file or directory name; what was made of it beside it.

    The *baseline* goes where the server starts.
    """
    root = f"{ROOT}/{_MODELS}"
    entries = {root: Entry(root)}
    for model in models:
        folder = f"{root}/{model.name}/{model.version}"
        for path in (f"{root}/{model.name}", folder):
            entries[path] = Entry(path)
        at = f"{folder}/{model.path.name}"
        found = [Entry(at, model.path, mode=0o644)] if model.path.is_file() else tree(model.path, at)
        entries |= {entry.path: entry for entry in found}
    if prepared is not None:
        entries |= {entry.path: entry for entry in prepared.entries(models[0], ROOT, root)}
    if baseline is not None:
        entries[f"{ROOT}/{NAME}"] = Entry(f"{ROOT}/{NAME}", baseline, mode=0o644)
    return list(entries.values())
