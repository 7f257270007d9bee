"""Does an archive stay where it is unpacked, whatever its members are called?"""

import io
import tarfile

import pytest

from edgetender.errors import Permanent
from edgetender.packaging.layer import EPOCH
from edgetender.packaging.unpacking import unpack


def archive(*members):
    """A tar of (name, content or link target, kind)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                tar.addfile(info)
    out.seek(0)
    return tarfile.open(fileobj=out, mode="r|")


FILE, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE


def test_what_lies_below_the_prefix_is_written_with_the_layers_time(tmp_path):
    with archive(
        ("opt/a", "", FOLDER), ("opt/a/x", b"one", FILE), ("opt/a/y", "x", LINK), ("opt/b/z", b"", FILE)
    ) as tar:
        unpack(tar, "opt/a", tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x", "y"]
    assert (tmp_path / "out/y").read_bytes() == b"one"
    assert {path.lstat().st_mtime for path in (tmp_path / "out").rglob("*")} == {EPOCH}


@pytest.mark.parametrize(
    "members",
    [
        [("opt/a/../../x", b"", FILE)],
        [("../x", b"", FILE)],
        [("/opt/a/x", b"", FILE)],
        [("opt/a/out", "../..", LINK)],
        [("opt/a/out", "/etc", LINK)],
        [("opt/a/in", ".", LINK), ("opt/a/in/up", "../../x", LINK)],
        [("opt/a/x", "opt/b/secret", HARD)],
    ],
)
def test_a_member_that_leads_out_is_refused(tmp_path, members):
    (tmp_path / "secret").write_text("kept")
    with archive(*members) as tar, pytest.raises(Permanent, match=r"lead.* (out|anywhere)"):
        unpack(tar, "opt/a", tmp_path / "into" / "out")

    assert {path.name for path in tmp_path.iterdir()} <= {"secret", "into"}


def test_nothing_is_written_through_a_link_of_the_same_name(tmp_path):
    with archive(("a/x", "y", LINK), ("a/x", b"two", FILE)) as tar, pytest.raises(FileExistsError):
        unpack(tar, "a", tmp_path)

    assert not (tmp_path / "y").exists()
