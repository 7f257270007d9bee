"""Does what `.dockerignore` names stay out of an image, by Docker's own rules?"""

import os
import shutil
import subprocess
from dataclasses import replace

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.errors import ConfigInvalid, Permanent
from edgetender.packaging import Workspace, compressed, oci_layout
from edgetender.packaging.dockerignore import kept, parse
from edgetender.packaging.image_facts import look
from edgetender.packaging.layer import Entry, Layer, pack

FILES = (
    "Dockerfile",
    "app.py",
    "keys/id.pem",
    "keys/readme.md",
    "data/a.csv",
    "data/deep/b.csv",
    ".git/HEAD",
)


@pytest.fixture
def context(tmp_path, monkeypatch):
    """Make a folder of FILES; return it."""
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "ws"))
    for name in FILES:
        path = tmp_path / "context" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY . /srv/\n")
    return tmp_path / "context"


def copied(reference="x:1"):
    """What the image of that name holds, directories left out."""
    (layer,) = Workspace().images.get(reference).image.layers
    image = Workspace().images.get(reference).image
    with oci_layout.opened(image, layer) as tar:
        return sorted(one.name.removeprefix("srv/") for one in tar if not one.isdir())


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        ("keys", "keys/id.pem", True),
        ("/keys/", "keys/id.pem", True),
        ("*.pem", "keys/id.pem", False),
        ("**/*.pem", "keys/id.pem", True),
        ("**/*.pem", "id.pem", True),
        ("data/**", "data/deep/b.csv", True),
        ("data/*/b.csv", "data/deep/b.csv", True),
        ("data/?.csv", "data/a.csv", True),
        ("data/[b-z].csv", "data/a.csv", False),
        ("data/[^b].csv", "data/a.csv", True),
        ("*\n!app.py", "app.py", False),
        ("*\n!app.py", "keys/id.pem", True),
        ("keys\n!keys/*.md", "keys/readme.md", False),
        ("!keys/*.md\nkeys", "keys/readme.md", True),
        ("# keys\n\n  app.py  ", "keys/id.pem", False),
        ("./data/../keys", "keys/id.pem", True),
        ("a+b(c)", "a+b(c)", True),
        (r"\*", "app.py", False),
        ("app", "app.py", False),
        ("**", "any/thing", True),
    ],
)
def test_a_pattern_fits_as_it_does_in_docker(patterns, path, excluded):
    assert parse(patterns).excludes(path) is excluded


def test_every_pattern_that_is_none_is_named_with_its_line():
    with pytest.raises(ConfigInvalid) as caught:
        parse("ok\n!\n[z-a]\n")
    assert [one.path for one in caught.value.problems] == [".dockerignore:2", ".dockerignore:3"]


def test_a_build_without_an_engine_leaves_out_what_is_ignored(context):
    (context / ".dockerignore").write_text("Dockerfile\n.*\nkeys\n!keys/readme.md\n**/deep\n")
    assert run(["build", str(context), "--image", "x:1"], Session()) == 0
    assert copied() == ["app.py", "data/a.csv", "keys/readme.md"]


def test_a_dockerfile_s_own_file_goes_first(context):
    (context / ".dockerignore").write_text("*\n")
    (context / "Dockerfile.dockerignore").write_text("*\n!app.py\n")
    assert run(["build", str(context), "--image", "x:1"], Session()) == 0
    assert copied() == ["app.py"]


def test_without_such_a_file_everything_goes_along(context):
    assert kept(context) is None
    assert run(["build", str(context), "--image", "x:1"], Session()) == 0
    assert copied() == sorted(FILES)


def test_a_source_that_is_ignored_is_named_as_such(context, capsys):
    (context / ".dockerignore").write_text("keys\n")
    (context / "Dockerfile").write_text("FROM scratch\nCOPY keys /keys\n")
    assert run(["build", str(context), "--image", "x:1"], Session()) == 6
    assert "Dockerfile:2: keys is ignored by .dockerignore" in capsys.readouterr().err


@pytest.mark.parametrize(
    "step", ["COPY *.py /srv/", "COPY --chown=1 app.py /srv/", "COPY app.py data /srv/", "ADD http://a.b/c /"]
)
def test_what_copies_more_than_one_to_one_is_an_engine_s_to_do(context, capsys, step):
    (context / "Dockerfile").write_text(f"FROM scratch\n{step}\n")
    assert run(["build", str(context), "--image", "x:1", "--builder", "direct"], Session()) == 6
    assert f"Dockerfile:2: {step.split()[0]} needs an engine" in capsys.readouterr().err


# --- layers that are packed with zstd


@pytest.fixture
def zstd(tmp_path):
    """A layer of one file, packed with zstd as registries have them."""
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("zstd is not installed: apt-get install zstd")
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    release = b"ID=debian\nVERSION_ID=12\n" + os.urandom(1 << 20)
    layer = pack([Entry("etc/os-release", release)], blobs)
    with compressed.unpacked(oci_layout.blob(blobs, layer.digest)) as stream:
        (tmp_path / "layer.tar").write_bytes(stream.read())
    packed = tmp_path / "layer.tar.zst"
    subprocess.run([program, "-q", "-o", packed, tmp_path / "layer.tar"], check=True)
    digest = oci_layout.put(blobs, packed.read_bytes())
    media = "application/vnd.oci.image.layer.v1.tar+zstd"
    found = Layer(digest, layer.diff_id, packed.stat().st_size, media)
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
    }
    return oci_layout.put_image(blobs, config, (found,))


def test_a_layer_packed_with_zstd_is_read_like_any_other(zstd):
    assert look(zstd).os_id == "debian"
    (layer,) = oci_layout.image_of(zstd.blobs, zstd.digest).layers
    assert layer.media_type.endswith("tar+zstd")


def test_without_anything_that_reads_zstd_it_says_what_helps(zstd, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    if compressed.find_spec("compression") is not None:
        pytest.skip("this Python reads zstd itself")
    with pytest.raises(Permanent, match="install the program zstd, or push it with gzip layers"):
        look(zstd)


@pytest.mark.parametrize("packing", ["zstd", "gzip"])
def test_a_damaged_layer_is_refused(zstd, packing):
    image = zstd
    if packing == "gzip":
        layer = pack([Entry("etc/os-release", os.urandom(1 << 20))], zstd.blobs)
        image = replace(zstd, layers=(layer,))
    blob = oci_layout.blob(image.blobs, image.layers[0].digest)
    blob.write_bytes(blob.read_bytes()[:-100_000])
    with pytest.raises(Permanent, match=r"cannot read the layer .*it is damaged: fetch it again"):
        look(image)
