"""What must the engine know to run the image? Its OCI configuration: entry point, environment, labels."""

from typing import Any

from edgetender import __version__
from edgetender.packaging import application
from edgetender.packaging.image_store import MODELS_LABEL
from edgetender.packaging.layer import Layer
from edgetender.packaging.model_store import Model
from edgetender.packaging.oci_layout import Image
from edgetender.packaging.server_layer import ENVIRONMENT, PREFIX

PORT = 5001
USER = "65532:65532"
_CREATED = "1980-01-01T00:00:00Z"  # the same for all, or the same input would give another digest each time
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def image_config(
    base: Image,
    added: list[tuple[str, Layer]],
    python_path: str,
    models: tuple[Model, ...],
    script: str | None,
    *,
    labels: dict[str, str],
    settings: dict[str, str],
) -> dict[str, Any]:
    """Return the configuration of *base* with the *added* layers (kind, layer), to serve *script*. Pure.

    The entry point is the server's, whatever the base says: a base may bring everything but that.
    """
    given = base.config.get("config") or {}
    env = dict(pair.partition("=")[::2] for pair in given.get("Env") or ())
    env |= {
        "PATH": f"{env.get('PATH', _PATH)}:/{ENVIRONMENT}/bin",
        "AML_APP_ROOT": f"/{application.ROOT}",
        "HOME": "/tmp",  # noqa: S108  the user has no home; libraries that cache need some place
    }
    env |= settings
    if script is not None:
        env["AZUREML_ENTRY_SCRIPT"] = script
    if models:
        env["AZUREML_MODEL_DIR"] = application.model_dir(models)
    own = {
        MODELS_LABEL: ",".join(model.reference for model in models),
        "io.edgetender.packager": __version__,
        "org.opencontainers.image.base.digest": base.digest,
    }
    history = [{"created": _CREATED, "created_by": f"edgetender package: {kind}"} for kind, _ in added]
    return {
        **{key: base.config[key] for key in ("architecture", "os", "variant") if key in base.config},
        "created": _CREATED,
        "config": {
            "User": USER,
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "Env": [f"{key}={value}" for key, value in env.items()],
            "Entrypoint": [python_path, "-I", f"/{PREFIX}"],
            "WorkingDir": f"/{application.ROOT}",
            "StopSignal": "SIGTERM",
            "Labels": {**(given.get("Labels") or {}), **own, **labels},
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [layer.diff_id for layer in (*base.layers, *(layer for _, layer in added))],
        },
        "history": [*(base.config.get("history") or []), *history],
    }
