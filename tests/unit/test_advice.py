"""Which sound manifests are warned of, where, and which are not; and how digests are written into a file."""

from __future__ import annotations

import pytest

from edgetender.documents import lengthened, load_document
from edgetender.model.advice import VENDORS, advice
from edgetender.model.reading import manifest_of
from tests.builders.manifests import manifest, module

END = "@sha256:" + "d" * 64
CAREFUL = {"resources": {"memory": "512MiB"}, "health": {"http": {"path": "/ready"}}}


def warned(**more) -> list[tuple[str, str]]:
    found = advice(manifest_of(manifest(1, m=module(**(CAREFUL | more)))))
    return [(one.path.removeprefix("modules.m."), one.code) for one in found]


def test_a_careful_manifest_is_warned_of_nothing():
    assert warned(ports=["5001:5001"]) == []
    assert warned(health={"docker": True}) == []


def test_a_job_needs_no_readiness():
    assert warned(health={}, restart="never") == []


@pytest.mark.parametrize(
    ("more", "path", "code"),
    [
        pytest.param({"image": "reg.example/a:1"}, "image", "image.tag", id="tag"),
        pytest.param({"resources": {}}, "resources.memory", "memory.unlimited", id="memory"),
        pytest.param({"health": {}}, "health", "health.unchecked", id="health"),
        pytest.param({"ports": ["0.0.0.0:80:80"]}, "ports[0].address", "port.open", id="port"),
    ],
)
def test_what_one_regrets_later_is_named_with_its_path(more, path, code):
    assert warned(**more) == [(path, code)]


def test_each_variants_tag_is_named():
    variants = [{"name": "a", "image": "reg.example/a:1"}, {"name": "b", "image": f"reg.example/b{END}"}]
    assert warned(image=None, variants=variants) == [("variants[0].image", "image.tag")]


@pytest.mark.parametrize("accelerator", ["cuda", {"vendor": "xilinx", "memory": ">=1GiB"}])
def test_an_accelerator_that_no_probe_can_find_is_named(accelerator):
    variants = [
        {"name": "a", "image": f"reg.example/a{END}", "requires": {"accelerator": accelerator}},
        {"name": "b", "image": f"reg.example/b{END}", "requires": {"accelerator": {"kind": "npu"}}},
    ]
    path = "variants[0].requires.accelerator.vendor"
    assert warned(image=None, variants=variants) == [(path, "vendor.unknown")]


@pytest.mark.parametrize("vendor", [*sorted(VENDORS), "NVIDIA", "nv*"])
def test_one_that_probes_find_is_not(vendor):
    variants = [{"name": "a", "image": f"reg.example/a{END}", "requires": {"accelerator": vendor}}]
    assert warned(image=None, variants=variants) == []


# --- writing digests


def written(text: str, *paths: str) -> str:
    return lengthened(text, load_document(text.encode()), dict.fromkeys(paths, END))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        pytest.param("a:\n  image: x/y:1  # the first\n  env: {}\n", "a.image", id="comment"),
        pytest.param("a: {image: 'x/y:1', b: 1}\n", "a.image", id="flow"),
        pytest.param('{"a": {"image": "x/y:1"}}', "a.image", id="json"),
        pytest.param("a:\n- image: x/y:1\n- image: x/y:1\n", "a[1].image", id="list"),
        pytest.param("a.b:\n  image: image\n", "a.b.image", id="dots_and_a_value_like_its_key"),
        pytest.param("a:\r\n  image: x/y:1\r\nb: 1\r\n", "a.image", id="carriage_returns"),
    ],
)
def test_an_end_is_written_behind_its_value_and_nothing_else_changes(text, path):
    found = written(text, path)
    before, after = load_document(text.encode()), load_document(found.encode())
    assert after.text_at(path) == f"{before.text_at(path)}{END}"
    assert found.replace(END, "", 1) == text


def test_two_on_one_line_are_both_written():
    assert written("r: {a: x:1, b: x:1}", "r.a", "r.b") == f"r: {{a: x:1{END}, b: x:1{END}}}"


def test_what_stands_elsewhere_than_its_key_is_left_alone():
    text = "a:\n  image:\n    x/y:1\n"
    assert written(text, "a.image") == text


def test_an_anchor_that_two_modules_share_is_written_once():
    text = "a: &a\n  image: x/y:1\nb: *a\n"
    assert written(text, "a.image", "b.image") == f"a: &a\n  image: x/y:1{END}\nb: *a\n"
