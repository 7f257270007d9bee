"""Are threads and memory counted by what the container may use?"""

import os

import pytest

from edgetender_scoring import cpus

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, ALL, id="no cgroup"),
        pytest.param({"cpu.max": "max 100000"}, ALL, id="v2 without limit"),
        pytest.param({"cpu.max": "50000 100000"}, 1, id="v2 half a CPU"),
        pytest.param({"cpu.max": "100001 100000"}, min(2, ALL), id="v2 a little more than one"),
        pytest.param({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, ALL, id="v1 none"),
        pytest.param({"cpu/cpu.cfs_quota_us": "1000", "cpu/cpu.cfs_period_us": "100000"}, 1, id="v1 limit"),
    ],
)
def test_the_quota_bounds_the_count(tmp_path, files, expected):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert cpus.usable(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, 8 << 30, id="the machine's"),
        pytest.param({"memory.max": "max"}, 8 << 30, id="v2 without limit"),
        pytest.param({"memory.max": "1073741824"}, 1 << 30, id="v2 limit"),
        pytest.param({"memory/memory.limit_in_bytes": "9223372036854771712"}, 8 << 30, id="v1 without limit"),
        pytest.param({"memory/memory.limit_in_bytes": "1048576"}, 1 << 20, id="v1 limit"),
    ],
)
def test_the_limit_bounds_the_memory(tmp_path, files, expected):
    (tmp_path / "memory").mkdir()
    (tmp_path / "meminfo").write_text("MemTotal:        8388608 kB\nMemFree: 1 kB\n")
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    assert cpus.memory(tmp_path, tmp_path / "meminfo") == expected
    assert cpus.memory(tmp_path / "nowhere", tmp_path / "nowhere") is None
