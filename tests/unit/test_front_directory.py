"""What stands in a front's directory may be anything, after a disk that went bad or a hand that slipped: it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgetender.engine.front import directory, nft_rules
from edgetender.engine.front.mechanism import Looked, Mechanism
from edgetender.engine.front.nat import Nat
from edgetender.engine.front.proxy import Proxy
from edgetender.errors import FrontDown
from edgetender.model.front import NAT, FrontPort, FrontSpec, Member

SPEC = FrontSpec("web", NAT, (FrontPort(5001, 5001, "tcp"),))
MEMBER, OTHER = Member("a1" * 32, "10.77.0.2"), Member("b2" * 32, "10.77.0.3")
MECHANISMS = pytest.mark.parametrize(
    ("mechanism", "name"), [(Nat(), nft_rules.FILE), (Proxy(), "haproxy.cfg")]
)


class Silent:
    """A front whose container answers nothing of interest."""

    def execute(self, _command: list[str]) -> str:
        return ""

    def pid(self, _container: str) -> int:
        return 0


def broken(path: Path) -> None:
    path.symlink_to("/proc/self/mem")  # whose first byte cannot be read: an input/output error


def turning(path: Path) -> None:
    path.symlink_to(path)


SPOILT = pytest.mark.parametrize("spoil", [Path.mkdir, broken, turning])


@MECHANISMS
@SPOILT
def test_a_front_whose_file_cannot_be_read_is_seen_as_one_that_does_not_answer(
    tmp_path: Path, mechanism: Mechanism, name: str, spoil: Callable[[Path], None]
):
    spoil(tmp_path / name)
    assert mechanism.look(tmp_path, "run", Silent()) == Looked(answers=False)


@SPOILT
def test_a_switch_that_cannot_read_what_was_before_it_says_so(tmp_path: Path, spoil: Callable[[Path], None]):
    spoil(tmp_path / nft_rules.FILE)
    with pytest.raises(FrontDown, match=r"cannot read .*rules\.nft: .*; remove it, and"):
        Nat().point(tmp_path, SPEC, MEMBER, Silent())


@pytest.mark.parametrize("spoil", [broken, turning])
def test_what_cannot_be_read_is_written_anew(tmp_path: Path, spoil: Callable[[Path], None]):
    spoil(tmp_path / "file")
    directory.write(tmp_path / "file", "text")
    assert directory.read(tmp_path / "file") == "text"


def test_a_directory_in_a_file_s_place_or_a_file_in_a_directory_s_is_an_answer_of_the_front(tmp_path: Path):
    (tmp_path / "file").mkdir()
    with pytest.raises(FrontDown, match="Is a directory"):
        directory.write(tmp_path / "file", "text")
    (tmp_path / "home").write_text("")
    with pytest.raises(FrontDown, match="Not a directory"):
        directory.make(tmp_path / "home" / "web")


def test_rules_that_were_torn_anywhere_are_read_as_far_as_they_go():
    text = nft_rules.rules(SPEC, MEMBER, (nft_rules.Drained(OTHER, 17.25),))
    for end in range(len(text)):
        assert [one.member for one in nft_rules.drained_in(text[:end])] in ([], [OTHER])
    since = text.index("17.250")
    assert nft_rules.drained_in(text.replace("17.250", "17.2x0")) == (nft_rules.Drained(OTHER, 0.0),)
    assert nft_rules.drained_in(text[:since] + "..\n") == (nft_rules.Drained(OTHER, 0.0),)
