"""The pool of memory: what a lease is, when it ends, what is kept and given back."""

from __future__ import annotations

import gc
import sys
import threading

import numpy as np
import pytest
import torch

from gatewise.backends.llvm.execution.workspace import ALIGNMENT, SMALLEST, Workspace

MIB = 1 << 20


def bytes_free(pool: Workspace) -> int:
    """Counted from the blocks themselves."""
    gc.collect()
    return sum(len(block) for blocks in pool._free.values() for block in blocks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("elements", [0, 1, 1023, 1 << 19])
def test_a_lease_has_so_many_numbers_and_can_be_written(elements, dtype):
    lease = Workspace(small=0).lease((elements,), dtype)
    assert lease.shape == (elements,)
    assert lease.dtype == dtype
    assert lease.fill_(3).eq(3).all()


@pytest.mark.parametrize("elements", [0, 1, 1000])
def test_small_leases_leave_the_pool_alone(elements):
    pool = Workspace()
    lease = pool.lease((elements,), torch.float32)
    assert lease.shape == (elements,)
    del lease
    assert bytes_free(pool) == 0


def test_leases_do_not_overlap():
    pool = Workspace(small=0)
    leases = [pool.lease((n,), torch.float32).fill_(n) for n in (1, 1000, 1000, 3000, 1 << 20)]
    assert all(lease.eq(len(lease)).all() for lease in leases)


def test_leases_start_on_pages():
    pool = Workspace(small=0)
    for elements in (1, 5000, 1 << 20):
        assert pool.lease((elements,), torch.float32).data_ptr() % SMALLEST == 0


def test_memory_is_used_again_when_the_lease_is_over():
    pool = Workspace(small=0)
    lease = pool.lease((1000,), torch.float32)
    where = lease.data_ptr()
    del lease
    gc.collect()
    assert pool.lease((900,), torch.float32).data_ptr() == where


def test_a_lease_may_be_changed_in_place_as_a_result():
    """Autograd forbids that of views."""
    assert Workspace(small=0).lease((3, 4), torch.float32)._base is None


def test_a_view_keeps_the_lease():
    pool = Workspace(small=0)
    lease = pool.lease((1000,), torch.float32)
    where, view = lease.data_ptr(), lease.view(10, 100)[3:, 5].detach()
    del lease
    assert bytes_free(pool) == 0
    assert pool.lease((1000,), torch.float32).data_ptr() != where
    del view
    assert bytes_free(pool) > 0


def test_another_size_takes_another_block():
    pool = Workspace(small=0)
    pool.lease((100,), torch.float32)
    kept = bytes_free(pool)
    assert pool.lease((100_000,), torch.float32).numel() == 100_000
    assert bytes_free(pool) > kept


def test_no_more_is_kept_than_asked_for():
    pool = Workspace(keep=3 * MIB, small=0)
    leases = [pool.lease((MIB // 4,), torch.float32) for _ in range(8)]
    assert bytes_free(pool) == 0
    leases.clear()
    assert 2 * MIB <= bytes_free(pool) <= 3 * MIB


def test_a_block_that_was_taken_no_longer_counts_as_kept():
    pool = Workspace(keep=2 * MIB, small=0)
    for _ in range(5):  # were taken blocks still counted, the third would not be kept
        pool.lease((MIB // 4,), torch.float32)
        assert bytes_free(pool) == MIB


def test_clear_gives_everything_back_but_leases():
    pool = Workspace(small=0)
    lease = pool.lease((1000,), torch.float32).fill_(5)
    pool.lease((1000,), torch.float32)
    assert bytes_free(pool) > 0
    pool.clear()
    assert bytes_free(pool) == 0
    assert lease.eq(5).all()
    del lease
    assert bytes_free(pool) > 0


def test_sizes_are_rounded_to_few_and_waste_little():
    pool = Workspace(small=0)
    generator = np.random.default_rng(0)
    wanted = [int(n) for n in np.exp(generator.uniform(np.log(8192), np.log(64 * MIB), 300))]
    for n in wanted:
        pool.lease((n,), torch.uint8)
        pool_size = max(pool._free)
        assert n <= pool_size
        assert pool_size <= max(1.25 * n, n + SMALLEST) or pool_size <= n + ALIGNMENT
        pool.clear()
    for n in wanted:
        pool.lease((n,), torch.uint8)
    # four steps in each of thirteen powers of two
    assert len(pool._free) <= 4 * 14


def test_threads_take_and_give_at_once():
    pool, failures = Workspace(small=0), []

    def work(mark: int) -> None:
        for k in range(300):
            lease = pool.lease((500 + k % 7,), torch.float32).fill_(mark)
            if not lease.eq(mark).all():
                failures.append(mark)

    workers = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures
    assert bytes_free(pool) == pool._kept


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/smaps")
def test_memory_is_private():
    """Shared memory would be a forked child's too, and gets no huge pages."""
    lease = Workspace(small=0).lease((4 * MIB,), torch.uint8)
    lease.fill_(1)
    assert "p" in permissions(lease.data_ptr())


def permissions(address: int) -> str:
    """Of the mapping that an address lies in, such as ``rw-p``."""
    with open("/proc/self/maps", encoding="ascii") as file:
        for line in file:
            span, found, *_ = line.split()
            first, end = (int(part, 16) for part in span.split("-"))
            if first <= address < end:
                return found
    raise AssertionError("no mapping holds the address")
