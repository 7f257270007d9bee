"""When is the hardware looked at again, and what is it put together of?"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgetender.config.settings import HardwareSettings, Settings
from edgetender.detecting import Eyes, from_environment
from edgetender.detector import Detector
from edgetender.errors import ConfigInvalid
from edgetender.model.compat import builtin, tables_of
from edgetender.model.figures import EngineFacts, discovered
from edgetender.model.hardware import Hardware
from edgetender.probes import detect
from edgetender.probes.runtimes import of_engine_facts
from edgetender.probes.signs import signs
from edgetender.probes.tree import Tree
from tests.builders.hardware import machine
from tests.builders.machines import write
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine


@dataclass
class Looking:
    hardware: Hardware = field(default_factory=machine)
    shown: int = 0
    looks: int = 0
    meanwhile: Callable[[], None] | None = None  # what happens while the signs are read

    def look(self) -> Hardware:
        self.looks += 1
        return self.hardware

    def signs(self) -> object:
        if self.meanwhile is not None:
            self.meanwhile()
        return self.shown


def detector() -> tuple[Detector, Looking, FakeClock, list[str]]:
    looking, clock, woken = Looking(), FakeClock(), []
    made = Detector(
        looking, clock, interval_s=3600, changed=lambda: woken.append("!"), stopping=threading.Event()
    )
    return made, looking, clock, woken


def test_it_looks_at_the_start_and_then_only_when_there_is_a_reason():
    made, looking, clock, woken = detector()
    clock.advance(3000)
    assert not made.step()
    assert looking.looks == 1
    clock.advance(601)
    assert not made.step()  # it looked, and all is as before
    assert (looking.looks, woken) == (2, [])


@pytest.mark.parametrize("reason", ["signs", "poke"])
def test_a_sign_of_a_change_or_the_engine_s_return_is_a_reason(reason: str):
    made, looking, _, woken = detector()
    looking.hardware = machine(cuda="13.0")
    if reason == "signs":
        looking.shown = 1
    else:
        made.poke()
    assert made.step()
    assert woken == ["!"]
    assert made.hardware().value("cuda") == "13.0"
    assert not made.step()


def test_whoever_pokes_while_signs_are_read_has_it_looked_at_again():
    made, looking, _, _ = detector()
    looking.meanwhile = made.poke
    made.step()
    looking.meanwhile = None
    made.step()
    assert looking.looks == 2


def test_what_goes_up_and_down_by_itself_wakes_nobody():
    made, looking, _, woken = detector()
    looking.hardware = machine(memory_available_bytes=5)
    made.poke()
    assert not made.step()
    assert woken == []
    assert made.hardware().value("memory_available_bytes") == 5


def test_new_nodes_drivers_and_specifications_are_signs(tmp_path: Path):
    root = write(tmp_path, {"etc/cdi/other.yaml": "kind: x\n", "dev/null": ""})
    seen = [signs(Tree(root))]
    for name, text in (
        ("dev/nvidia0", ""), ("proc/driver/nvidia/version", "535"), ("dev/hailo0", ""),
        ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de"), ("sys/bus/pci/devices/0000:01:00.0/class", "0x030000"),
        ("var/log/kern.log", "NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus."),
    ):  # fmt: skip
        write(root, {name: text})
        if not name.endswith("vendor"):
            seen.append(signs(Tree(root)))
    assert len(set(seen)) == len(seen)
    write(root, {"var/log/kern.log": (root / "var/log/kern.log").read_text() + "\nsomething else\n"})
    assert signs(Tree(root)) == seen[-1]


def test_the_kernel_s_own_ring_of_messages_is_a_sign_and_costs_the_card_its_health(tmp_path: Path):
    slot = "sys/bus/pci/devices/0000:01:00.0"
    root = write(
        tmp_path, {f"{slot}/vendor": "0x10de", f"{slot}/class": "0x030000", "dev/kmsg": "6,1,0,-;boot\n"}
    )
    before = signs(Tree(root))
    write(
        root,
        {"dev/kmsg": "6,1,0,-;boot\n3,2,9,-;NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off\n"},
    )
    assert signs(Tree(root)) != before
    fact = detect(root).fact("healthy", "0000:01:00.0")
    assert fact is not None
    assert (fact.value, fact.code) == (False, "gpu_lost")
    (root / "dev/kmsg").unlink()
    (root / "dev/kmsg").mkdir()  # what cannot be read is said
    unread = detect(root).fact("kernel_log")
    assert unread is not None
    assert (unread.value, unread.code) == (None, "not_permitted")


def eyes(tmp_path: Path, engine: FakeEngine | None = None, **hardware: object) -> Eyes:
    settings = Settings(
        device="x", hardware=HardwareSettings(root=tmp_path, **hardware), labels={"site": "north"}
    )  # type: ignore[arg-type]
    return Eyes(settings, engine or FakeEngine(), FakeClock(), lambda: ())


def test_the_engine_s_architecture_counts_and_its_last_word_while_it_is_away(tmp_path: Path):
    write(tmp_path, {"proc/sys/kernel/arch": "aarch64\n"})
    engine = FakeEngine()
    mine = eyes(tmp_path, engine)
    found = mine.look()
    assert found.value("arch") == engine.facts().architecture
    assert found.fact("arch").source == "Docker /version"  # type: ignore[union-attr]
    engine.down = "it is restarted"
    assert mine.look().value("docker") == found.value("docker")


def test_labels_are_facts(tmp_path: Path):
    assert eyes(tmp_path).look().value("label.site") == "north"


def test_what_a_person_writes_wins_and_says_so(tmp_path: Path):
    file = tmp_path / "facts.json"
    file.write_text(json.dumps({"cuda": "12.4", "gpu0": {"vendor": "nvidia", "compute_capability": "8.6"}}))
    found = eyes(tmp_path, override=file).look()
    fact = found.fact("cuda")
    assert fact is not None
    assert (fact.value, fact.detail, fact.source) == ("12.4", "overridden", str(file))
    assert found.value("compute_capability", "gpu0") == "8.6"
    file.write_text("{")
    assert eyes(tmp_path, override=file).look().fact("cuda") is None


def test_a_variable_of_the_environment_overrides_a_fact():
    (fact,) = from_environment({"EDGETENDER_FACT_CUDA": "12.4", "PATH": "/bin"})
    assert (fact.name, fact.value) == ("cuda", "12.4")


def test_tables_of_a_file_stand_beside_this_release_s_own(tmp_path: Path):
    file = tmp_path / "compat.json"
    file.write_text(
        json.dumps(
            {"schema": "edgetender/compat/v1", "version": "2027-01", "driver_to_cuda": {"700": "14.0"}}
        )
    )
    newer = tables_of(file)
    assert newer.version == "2027-01"
    assert newer.cuda_of_driver("700.1").value == "14.0"  # type: ignore[union-attr]
    assert newer.soc("tegra234") == builtin().soc("tegra234")
    file.write_text("[]")
    with pytest.raises(ConfigInvalid, match="no compatibility tables"):
        tables_of(file)


def test_a_cdi_specification_that_is_written_anew_is_a_sign_and_another_fact(tmp_path: Path):
    root = write(tmp_path, {"etc/cdi/nvidia.yaml": 'kind: "nvidia.com/gpu"\ndevices: [{name: "0"}]\n'})
    before, sign = detect(root), signs(Tree(root))
    spec = root / "etc/cdi/nvidia.yaml"
    spec.write_text('kind: "nvidia.com/gpu"\ndevices: [{name: "1"}]\n')
    os.utime(spec, ns=(1, 1))  # in place: its folder does not change
    after = detect(root)
    assert signs(Tree(root)) != sign
    assert before.value("cdi_specs") == after.value("cdi_specs") == ("nvidia.com/gpu",)
    assert before.value("cdi_digest") != after.value("cdi_digest")


def test_what_the_engine_says_of_its_devices_and_limits_is_a_fact_and_its_silence_too():
    said = {
        "version": "28.3",
        "api_version": "1.51",
        "architecture": "amd64",
        "runtimes": ("runc",),
        "data_root": "/d",
    }
    new = Hardware(
        tuple(
            of_engine_facts(
                EngineFacts(**said, cdi=True, cdi_devices=("nvidia.com/gpu=0",), memory_limits=False)
            )
        )
    )
    assert new.value("cdi_devices") == ("nvidia.com/gpu=0",)
    assert new.value("memory_limits") is False
    old = Hardware(tuple(of_engine_facts(EngineFacts(**said, cdi=False))))
    assert (old.value("cdi_devices"), old.fact("memory_limits")) == (None, None)
    assert discovered({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}]}) == (
        "nvidia.com/gpu=all",
    )
