"""explain, facts export and hardware --root: why a variant runs, also on another machine than the one it runs on."""

from __future__ import annotations

import json

import pytest

from edgetender.decide.fingerprint import fingerprint
from edgetender.decide.look import look_at
from edgetender.model.ledger import Decision, Demotion, Ledger, Measured
from tests.builders.golden import same
from tests.builders.hardware import gpu, machine, variant
from tests.builders.machines import RECORDINGS, write
from tests.builders.manifests import image, manifest, module, slot
from tests.fakes.clock import NOON

VARIANTS = [
    variant(
        "trt",
        {"jetpack": ">=6.1,<7", "accelerator": {"compute_capability": "==8.7"}},
        provider="TensorrtExecutionProvider",
    ),
    variant("cuda13", {"arch": "amd64", "cuda": ">=13.0", "accelerator": "nvidia"}),
    variant(
        "cuda", {"arch": "amd64", "cuda": ">=12.0", "accelerator": {"vendor": "nvidia", "memory": ">=6GiB"}}
    ),
    variant("new", {"tops": 40}),
    variant("cpu", {"arch": "amd64"}),
]
HOST = machine(gpu(uuid="GPU-1"), cuda="12.4", nvidia_driver="470.1", memory_bytes=2**34)


@pytest.fixture
def deployed(house):
    house.facts = HOST
    fallen = Demotion(
        "scorer",
        "trt",
        image("trt"),
        "libnvinfer.so.10 is missing",
        NOON,
        "provider_not_active",
        "driver",
        "x",
    )
    document = manifest(
        14, scorer={"variants": VARIANTS, "env": {"TOKEN": "canary-41c0ffee"}}, plain=module()
    )
    house.ledger = Ledger(accepted=slot(document), demotions=(fallen,))
    return house


def test_every_variant_says_why_and_what_would_change_it(shell, deployed):
    same("explain", shell.run("explain", "scorer").transcript())
    same("explain-wide", shell.run("explain", "scorer", "-o", "wide").transcript())


def test_a_demoted_variant_shows_its_failure_and_when_it_is_forgotten(shell, deployed):
    fallen = Demotion("scorer", "cuda", image("cuda"), "CUDA error 222", NOON, "ptx_too_new")
    deployed.ledger = Ledger(accepted=deployed.ledger.accepted, demotions=(fallen,))
    same("explain-demoted", shell.run("explain", "scorer").transcript())


def test_where_the_quickest_is_wanted_each_shows_its_figure(shell, house):
    host = machine(cpu_features=("avx2",))
    house.facts = host
    wanted = {"variants": [variant("v3"), variant("cpu")], "select": {"mode": "measured"}}
    mark = fingerprint(look_at(host), "cpu")
    figures = {
        f"scorer {image(name)}": Measured(p95, mark, NOON) for name, p95 in (("v3", 0.04), ("cpu", 0.012))
    }
    house.ledger = Ledger(accepted=slot(manifest(14, scorer=wanted)), measured=figures)
    said = shell.run("explain", "scorer").out
    assert "chosen  cpu  (#2 of 2)" in said
    assert "1 v3   ELIGIBLE  p95 40 ms here" in said
    assert "measured at 2026-" in said
    assert "p95 12 ms" in said


def test_where_nothing_can_run_the_exit_code_says_so(shell, deployed):
    deployed.ledger = Ledger(accepted=slot(manifest(1, scorer={"variants": VARIANTS[:2]})))
    said = shell.run("explain", "scorer")
    assert said.code == 7
    assert "chosen  none  (of 2)" in said.out


def test_a_replay_is_the_device_s_own_word_byte_for_byte(shell, lonely, deployed, tmp_path):
    saved = shell.run("facts", "export", "-o", "json")
    (tmp_path / "saved.json").write_text(saved.out)
    here = shell.run("explain", "scorer", "-o", "json")
    lonely.host = "unix:///nobody"
    there = lonely.run("explain", "scorer", "--facts", "saved.json", "-o", "json")
    assert (there.code, there.err) == (0, "")
    assert there.out == here.out


def test_saved_facts_hold_no_environment(shell, deployed):
    assert "canary" not in shell.run("facts", "export").out


def test_another_manifest_is_explained_on_this_device_and_on_saved_facts(shell, deployed, tmp_path):
    (tmp_path / "next.json").write_text(json.dumps(manifest(15, scorer={"variants": [VARIANTS[2]]})))
    (tmp_path / "saved.json").write_text(shell.run("facts", "export", "-o", "json").out)
    for words in ((), ("--facts", "saved.json")):
        said = json.loads(shell.run("explain", "scorer", "-f", "next.json", *words, "-o", "json").out)
        assert (said["version"], said["chosen"]) == (15, "cuda")


def test_an_unknown_module_is_named_with_those_there_are(shell, deployed):
    said = shell.run("explain", "scroer")
    assert said.code == 4
    assert "the manifest has no such module (it has: plain, scorer)" in said.err


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        '{"kind": "Facts"}',
        '{"kind": "Facts", "facts": [{}]}',
        '{"kind": "Facts", "facts": [], "known": 3}',
    ],
)
def test_a_document_that_is_none_is_refused(lonely, tmp_path, text):
    (tmp_path / "saved.json").write_text(text)
    said = lonely.run("explain", "scorer", "--facts", "saved.json")
    assert said.code == 6
    assert "edgetender facts export prints some" in said.err


def test_a_recorded_tree_is_read_without_an_agent_and_can_be_explained(lonely, tmp_path):
    write(
        tmp_path / "tree",
        {"proc/cpuinfo": "processor\t: 0\nCPU architecture: 8\nFeatures\t: fp asimd atomics\n"},
    )
    said = lonely.run("hardware", "--root", "tree", "-o", "json")
    assert (said.code, said.err) == (0, "")
    facts = {fact["name"]: fact["value"] for fact in json.loads(said.out)["facts"]}
    assert (facts["arch"], facts["oci_variant"]) == ("arm64", "v8")
    (tmp_path / "hardware.json").write_text(said.out)
    (tmp_path / "m.json").write_text(
        json.dumps(manifest(1, m={"variants": [variant("arm", {"arch": "arm64"})]}))
    )
    explained = lonely.run("explain", "m", "-f", "m.json", "--facts", "hardware.json", "-o", "json")
    assert json.loads(explained.out)["chosen"] == "arm"


def test_a_hundred_features_go_over_several_lines_and_push_no_reason_out_of_sight(lonely, tmp_path):
    flags = " ".join(f"sve_{number}" for number in range(100))
    write(
        tmp_path / "tree",
        {"proc/cpuinfo": f"processor\t: 0\nCPU architecture: 8\nFeatures\t: {flags}\n"},
    )
    said = lonely.run("hardware", "--root", "tree", "--all").out
    assert all(f"sve_{number}" in said for number in range(100))
    assert max(map(len, said.splitlines())) < 160


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings")
def test_a_recorded_card_shows_with_its_facts(lonely, tmp_path):
    xml = (RECORDINGS / "nvidia-smi-xml/telegraf-a10g.xml").read_bytes()
    write(tmp_path / "tree", {"recorded/nvidia-smi.xml": xml})
    out = lonely.run("hardware", "--root", "tree").out
    assert "NVIDIA A10G" in out
    assert "22.5 GiB" in out


def test_a_variant_is_pinned_let_go_and_forgotten_by_a_delivery(shell, house):
    house.decisions = {n: Decision(n, 200, "done") for n in (1, 2, 3, 4)}
    for words in (
        ("pin", "scorer", "cpu"),
        ("unpin", "scorer"),
        ("forget", "scorer"),
        ("forget", "scorer", "cuda"),
    ):
        assert shell.run("variant", *words).code == 0
    assert [json.loads(body) for kind, _, body in house.submitted] == [
        {"module": "scorer", "action": "pin", "variant": "cpu"},
        {"module": "scorer", "action": "unpin", "variant": None},
        {"module": "scorer", "action": "forget", "variant": None},
        {"module": "scorer", "action": "forget", "variant": "cuda"},
    ]
    assert {kind for kind, _, _ in house.submitted} == {"variant"}


def test_a_wish_that_is_refused_ends_with_its_code(shell, house):
    house.decisions = {1: Decision(1, 404, "cannot pin 'tpu': scorer has no such variant (it has: cpu)")}
    said = shell.run("variant", "pin", "scorer", "tpu")
    assert said.code == 4
    assert "no such variant" in said.err
