"""What the machine did to the workers: shares of time, from files that may not be there."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from loadgen import health
from loadgen.health import Health


def test_shares_are_differences_over_time() -> None:
    earlier = Health(
        taken_at_ns=0, run_queue_ns={1: 100, 2: 0}, steal_ticks=10, all_ticks=100, throttled_us=5
    )
    later = Health(
        taken_at_ns=1000, run_queue_ns={1: 200, 2: 400}, steal_ticks=20, all_ticks=300, throttled_us=5
    )
    found = health.strain(earlier, later)
    assert (found.run_queue, found.steal, found.throttled) == (0.4, 0.05, 0.0)


def test_a_worker_that_is_gone_is_left_out() -> None:
    earlier = Health(taken_at_ns=0, run_queue_ns={1: 0, 2: 0})
    later = Health(taken_at_ns=1000, run_queue_ns={2: 100, 3: 900})
    assert health.strain(earlier, later).run_queue == 0.1


def test_what_is_not_told_is_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health, "PROC", tmp_path)
    monkeypatch.setattr(health, "CGROUP", tmp_path)
    first, second = health.sample([1]), health.sample([1])
    found = health.strain(first, second)
    assert (found.run_queue, found.steal, found.throttled) == (None, None, None)
    assert health.port_range() is None
    assert health.processor_quota() is None


def test_files_are_read_as_the_kernel_writes_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "proc/7/schedstat": "123 4567 8\n",
        "proc/stat": "cpu  10 0 20 30 0 0 5 35 99 0\ncpu0 1 2 3\n",
        "proc/self/cgroup": "0::/job/one\n",
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "cgroup/job/one/cpu.stat": "usage_usec 5\nnr_throttled 2\nthrottled_usec 777\n",
        "cgroup/job/one/cpu.max": "150000 100000\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(health, "PROC", tmp_path / "proc")
    monkeypatch.setattr(health, "CGROUP", tmp_path / "cgroup")
    found = health.sample([7, 8])
    assert dict(found.run_queue_ns) == {7: 4567}
    assert (found.steal_ticks, found.all_ticks, found.throttled_us) == (35, 100, 777)
    assert health.port_range() == (32768, 60999)
    assert health.processor_quota() == 1.5


@pytest.mark.parametrize(
    ("connections", "workers", "warning"),
    [(100, 1, None), (950, 1, "1,000 descriptors a worker"), (950, 2, None), (901, 4, "1,000 local ports")],
)
def test_limits_are_seen_coming(
    monkeypatch: pytest.MonkeyPatch, connections: int, workers: int, warning: str | None
) -> None:
    ports = (1, 1000) if workers == 4 else (1, 100_000)
    monkeypatch.setattr(health, "descriptor_limits", lambda: (1000, 1000))
    monkeypatch.setattr(health, "port_range", lambda: ports)
    found = health.near_limit(connections, workers)
    assert found is None if warning is None else warning in (found or "")


def test_each_pair_of_addresses_has_all_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "descriptor_limits", lambda: (10_000, 10_000))
    monkeypatch.setattr(health, "port_range", lambda: (1, 1000))
    assert health.near_limit(1800, 1, pairs=2) is None
    assert health.near_limit(1801, 1, pairs=2) is not None


def test_memory_is_what_the_system_or_our_control_group_has_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files = {
        "proc/meminfo": "MemTotal:  9000 kB\nMemAvailable:  5000 kB\n",
        "proc/self/cgroup": "0::/job\n",
        "cgroup/job/memory.max": "4000000\n",
        "cgroup/job/memory.current": "1500000\n",
        "cgroup/job/memory.stat": "anon 1000000\nfile 500000\n",
        "cgroup/memory.max": "max\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(health, "PROC", tmp_path / "proc")
    monkeypatch.setattr(health, "CGROUP", tmp_path / "cgroup")
    assert health.available_bytes() == 3_000_000
    (tmp_path / "cgroup/job/memory.max").write_text("max\n")
    assert health.available_bytes() == 5000 * 1024
    (tmp_path / "proc/meminfo").unlink()
    assert health.available_bytes() is None


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        assert health.raise_descriptor_limit() == health.descriptor_limits()[0] == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
