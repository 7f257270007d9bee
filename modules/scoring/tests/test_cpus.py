"""Are threads counted by what the container may use?"""

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
