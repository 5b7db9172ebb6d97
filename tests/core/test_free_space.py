"""What is free is what the system says, within the limit of the control group."""

from __future__ import annotations

import shutil

from inscape.core.free_space import existing, free_disk, free_memory


def group(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)
    return folder


def test_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert abs(free_disk(tmp_path / "a" / "b") - shutil.disk_usage(tmp_path).free) < 1 << 30


def test_memory_is_the_systems_within_the_groups(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       100 kB\nMemAvailable:    50 kB\n")
    assert free_memory(meminfo, tmp_path / "none") == 50 << 10
    limits = {"memory_current": "20000", "memory_stat": "anon 1\ninactive_file 5000\n"}
    assert free_memory(meminfo, group(tmp_path, memory_max="max\n", **limits)) == 50 << 10
    assert free_memory(meminfo, group(tmp_path, memory_max="30000\n")) == 15000
    assert free_memory(meminfo, group(tmp_path, memory_max="10000\n")) == 0
    assert free_memory(meminfo, group(tmp_path, memory_max="900000\n")) == 50 << 10
    assert free_memory(tmp_path / "none") is None
