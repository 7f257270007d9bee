"""What does the Dockerfile kind of a package consist of? A folder that `docker build` makes the same image of."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from edgetender.errors import Permanent
from edgetender.packaging import oci_layout
from edgetender.packaging.builder import Assembled
from edgetender.packaging.dockerfile import FOLDERS, MARK, dockerfile
from edgetender.packaging.image_store import MODELS_LABEL
from edgetender.packaging.oci_layout import Image
from edgetender.packaging.unpacking import date, unpack

_FOLDER_OF = {
    "environment": "environment",
    "server": "server",
    "application": "azureml-app",
    "model": "azureml-app",
}
_README = """\
# {title}

A build context, made by `edgetender package --generate-dockerfile`. To build and run it:

```console
docker build --tag {tag} .
docker run --detach -p 6789:5001 --name mycontainer {tag}
curl -H 'Content-Type: application/json' -d '{{"data": [[1,2,3,4,5,6,7,8,9,10]]}}' http://localhost:6789/score
```

| | |
|---|---|
| `Dockerfile` | {base}; copies what is below, starts the scoring server on port 5001 |
| `azureml-app/` | entry script, assets, and `azureml-models/NAME/VERSION/`: {models}. To be changed at will |
| `environment/` | the script's Python packages, resolved for {platform}, Python 3.{minor} |
| `server/` | the scoring server, `edgetender-scoring` {server}; nothing may take its place |

Nothing is fetched while it is built{fetched}. Other Python packages: package again, or add a `RUN pip install
--target /opt/environment …` to the Dockerfile, behind the environment's COPY. Files keep the time 1980-01-01 that
compiled modules go by: where it gets lost (a checkout), Python compiles them anew at the first start.
"""


def write(made: Assembled, out: Path, *, base_name: str | None, steps: str | None, tag: str) -> None:
    """Make *out* the build context of what was assembled, in one step. An earlier context is replaced.

    *base_name*: what FROM names; None: the base's own layers go along. Raises Permanent, OSError.
    """
    if out.exists() and not out.is_dir():
        raise Permanent(f"Error, output path is not a directory: {out}")
    if out.exists() and any(out.iterdir()) and not _is_a_context(out):
        raise Permanent(f"cannot save the package to {out}: it holds other files; name a new directory")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.part-", dir=out.parent) as scratch:
        part = Path(scratch, "context")
        part.mkdir()
        _write(made, part, base_name=base_name, steps=steps, tag=tag)
        if out.exists():
            out.rename(Path(scratch, "before"))
        part.rename(out)


def _is_a_context(folder: Path) -> bool:
    try:
        return (folder / "Dockerfile").read_text(encoding="utf-8").startswith(MARK)
    except (OSError, UnicodeDecodeError):
        return False


def _write(made: Assembled, part: Path, *, base_name: str | None, steps: str | None, tag: str) -> None:
    for kind, layer in made.added:
        folder = _FOLDER_OF[kind]
        with oci_layout.opened(made.image, layer) as tar:
            unpack(tar, FOLDERS[folder], part / folder)
    date([path for folder in FOLDERS for path in [part / folder] if path.exists()])
    archives = [] if base_name is not None else _base(made.base, part)
    text = dockerfile(
        made.image.config,
        made.base.config,
        base_name=base_name,
        base_archives=archives,
        folders=[name for name in FOLDERS if (part / name).exists()],
        steps=steps,
        conda=made.conda is not None,
    )
    if made.conda is not None:
        (part / "environment.yml").write_text(made.conda, encoding="utf-8")
    (part / "Dockerfile").write_text(text, encoding="utf-8")
    labels = made.image.config["config"]["Labels"]
    readme = _README.format(
        title=tag,
        tag=tag,
        base=f"begins with `FROM {base_name}`" if base_name else "begins with the base in `base/`",
        models=labels[MODELS_LABEL] or "none",
        platform=made.python.platform,
        minor=made.python.minor,
        server=labels["io.edgetender.server"],
        fetched=", but for the base image where the engine has it not" if base_name else "",
    )
    (part / "README.md").write_text(readme, encoding="utf-8")
    (part / ".dockerignore").write_text("README.md\nDockerfile\n.dockerignore\n", encoding="utf-8")


def _base(base: Image, part: Path) -> list[str]:
    """ADD unpacks a layer, but does not take away what a later layer deletes."""
    (part / "base").mkdir()
    names: list[str] = []
    for number, layer in enumerate(base.layers, 1):
        if number > 1:
            with oci_layout.opened(base, layer) as tar:
                if any(Path(member.name).name.startswith(".wh.") for member in tar):
                    raise Permanent(
                        "cannot write the base into a build context: its layers delete files of others; "
                        "name the base by a reference that the engine knows (baseImage)"
                    )
        name = f"base/{number}.tar.gz"
        shutil.copyfile(oci_layout.blob(base.blobs, layer.digest), part / name)
        names.append(name)
    return names
