"""Which Dockerfile makes the same image? Pure text: the same files in the same places, the same configuration."""

import json
from collections.abc import Sequence
from typing import Any

from edgetender.packaging import application
from edgetender.packaging.server_layer import ENVIRONMENT, PREFIX

MARK = "# made by edgetender package --generate-dockerfile; see README.md"
FOLDERS = {"environment": ENVIRONMENT, "server": PREFIX, "azureml-app": application.ROOT}

MICROMAMBA = "mambaorg/micromamba:2.0.5-debian12-slim"
_MICROMAMBA = (
    f"FROM {MICROMAMBA} AS conda",
    "USER root",
    "COPY environment.yml /tmp/environment.yml",
    f"RUN micromamba create --yes --prefix /{ENVIRONMENT} --file /tmp/environment.yml && micromamba clean --all --yes",
    "",
)


def dockerfile(
    image: dict[str, Any],
    base: dict[str, Any],
    *,
    base_name: str | None,
    base_archives: Sequence[str],
    folders: Sequence[str],
    steps: str | None,
    conda: bool = False,
) -> str:
    """Return the Dockerfile of an image with configuration *image* upon one with *base* (OCI documents).

    *base_name* is what FROM says; without one the *base_archives*, unpacked, are the base. *folders* are those
    of FOLDERS that the context has. *conda*: micromamba installs environment.yml, in a stage of its own.
    """
    run, given = image["config"], (base.get("config") or {}) if base_name is not None else {}
    lines = [MARK, "", *(_MICROMAMBA if conda else ())]
    if base_name is not None:
        lines.append(f"FROM {base_name}")
    else:
        lines += ["FROM scratch", *(f"ADD {name} /" for name in base_archives)]
    if "environment" in folders:
        lines += ["", "# the Python packages of the entry script", _copy("environment")]
    if conda:
        lines += [
            "",
            "# the conda packages of the entry script",
            f"COPY --from=conda /{ENVIRONMENT} /{ENVIRONMENT}",
        ]
    if steps is not None:
        lines += ["", "# extraDockerfileSteps", "USER root", steps.strip()]
    lines += ["", "# the scoring server, in a prefix of its own", _copy("server")]
    lines += ["", "# entry script, assets and models", _copy("azureml-app"), ""]
    lines += [f"ENV {name}={_quoted(value)}" for name, value in _new(_env(run), _env(given)).items()]
    labels = _new(run.get("Labels") or {}, given.get("Labels") or {})
    lines += [f"LABEL {_quoted(name)}={_quoted(value)}" for name, value in labels.items()]
    lines += [f"USER {run['User']}", f"WORKDIR {run['WorkingDir']}"]
    lines += [f"EXPOSE {port}" for port in run["ExposedPorts"]]
    lines += [f"STOPSIGNAL {run['StopSignal']}"]
    if given.get("Healthcheck"):
        lines.append("HEALTHCHECK NONE")
    lines.append(f"ENTRYPOINT {json.dumps(run['Entrypoint'])}")
    return "\n".join(lines) + "\n"


def _copy(folder: str) -> str:
    return f"COPY {folder}/ /{FOLDERS[folder]}/"


def _env(run: dict[str, Any]) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in run.get("Env") or ())


def _new(wanted: dict[str, str], there: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if there.get(name) != value}


def _quoted(value: str) -> str:
    for special in ("\\", '"', "$"):
        value = value.replace(special, f"\\{special}")
    return f'"{value}"'
