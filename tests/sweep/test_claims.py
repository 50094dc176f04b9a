"""Claims: a job is with one living sweep at a time; a dead one's jobs are free at once, or when its lease ends."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.results.storage import Storage
from orchestrator.sweep import claims
from orchestrator.sweep.claims import BEAT_S, LEASE_S, SURE_S, Claims, held_jobs


@pytest.fixture
def storage(tmp_path) -> Storage:
    return Storage(str(tmp_path)).create()


def files(storage: Storage) -> list[str]:
    return [info.base_name for info in storage.files("claims")]


def age(storage: Storage, claim: Claims, seconds: float) -> None:
    """Makes a claim look as if it was last renewed that long ago."""
    path = storage.path("claims", claim.name)
    written = os.stat(path).st_mtime - seconds
    os.utime(path, (written, written))


def on_another_machine(claim: Claims) -> Claims:
    """As if the sweep ran elsewhere: nothing is known of its process."""
    claim.owner = claims.Owner("elsewhere", 7, "another machine", "1")
    return claim


def test_a_job_is_with_the_first_that_takes_it(storage):
    first, second = Claims(storage), Claims(storage)
    assert first.take("a") and not second.take("a") and second.take("b") and not first.take("b")
    assert first.take("a"), "it has it already"
    assert str(second.others["a"]) == f"process {os.getpid()} on {first.owner.host}"


def test_a_job_let_go_is_free(storage):
    first, second = Claims(storage), Claims(storage)
    first.take("a")
    first.drop("a")
    assert second.take("a")


def test_a_sweep_that_ends_leaves_no_claim(storage):
    with Claims(storage) as first:
        first.take("a")
        assert held_jobs(storage) == {"a"}
    assert files(storage) == [] and held_jobs(storage) == set()


def test_a_sweep_elsewhere_that_is_not_renewed_loses_its_jobs_when_the_lease_ends(storage):
    first, second = on_another_machine(Claims(storage)), Claims(storage)
    first.take("a")
    age(storage, first, LEASE_S - 5)
    assert not second.take("a")
    age(storage, first, LEASE_S + 5)
    assert second.take("a") and files(storage) == [second.name]


def test_a_lease_outlives_a_few_beats_that_fail():
    assert LEASE_S > SURE_S >= 5 * BEAT_S


def test_a_killed_process_of_this_machine_is_known_at_once(storage):
    code = f"""
import os, signal
from orchestrator.sweep.claims import Claims
from orchestrator.results.storage import Storage
assert Claims(Storage({storage.root!r})).take("a")
print("claimed", flush=True)
signal.pause()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "claimed\n"
    assert not Claims(storage).take("a")
    other.kill()
    other.stdout.read()  # until it is dead; nobody has asked for its status yet
    assert Claims(storage).take("a")
    other.wait()


def test_another_process_with_the_same_number_is_not_taken_for_it(storage):
    """Numbers of processes come again."""
    first = Claims(storage)
    first.owner = claims.Owner(first.owner.host, os.getpid(), first.owner.machine, "1")
    first.take("a")
    assert first.owner.is_gone() and Claims(storage).take("a")


def test_after_a_pause_longer_than_the_lease_the_job_stays_with_whoever_took_it(storage):
    first, second = on_another_machine(Claims(storage)), on_another_machine(Claims(storage))
    first.take("a")
    age(storage, first, LEASE_S + 5)
    assert second.take("a")
    first.look()  # it wakes up
    second.look()
    assert not first.holds("a") and not first.take("a") and "a" in first.others
    assert second.holds("a") and "a" not in second.others
    second.drop("a")
    assert first.take("a"), "anew, once it is free"


def test_before_it_looks_a_sweep_that_slept_holds_nothing_of_what_was_taken(storage):
    """The row of a trial that has just ended comes before the next beat."""
    first, second = on_another_machine(Claims(storage)), Claims(storage)
    first.take("a")
    first.take("b")
    age(storage, first, LEASE_S + 5)
    second.take("a")
    assert not first.holds("a") and not first.holds("b") and first.take("b") and not first.take("a")


@pytest.mark.parametrize("clock", [0, 1], ids=["never set", "goes on in a sleep"])
def test_a_sweep_whose_last_beat_is_too_old_holds_nothing_though_nobody_has_taken_it(storage, monkeypatch, clock):
    first = Claims(storage)
    first.take("a")
    read = claims._clocks

    def later() -> tuple[float, float]:
        times = list(read())
        times[clock] += SURE_S + 1
        return tuple(times)

    monkeypatch.setattr(claims, "_clocks", later)
    assert not first.holds("a") and first.take("a") and first.holds("a")


def test_a_machine_whose_clocks_slept_too_learns_it_from_the_storage(storage):
    first, second = on_another_machine(Claims(storage)), Claims(storage)
    first.take("a")
    first.written_ns -= int((LEASE_S + 5) * 1e9)
    first.look()
    assert not first.mine and second.take("a")


def test_a_holder_gives_a_job_up_to_nobody(storage):
    """Whatever the file of one that wakes up says, for a moment."""
    first, second = Claims(storage), on_another_machine(Claims(storage))
    first.take("a")
    second.look()
    second.mine.add("a")
    second.look()
    first.look()
    assert first.holds("a")


def test_of_two_that_claim_a_job_at_the_same_moment_at_most_one_holds_it(storage, monkeypatch):
    monkeypatch.setattr(claims, "MOST_PAUSE_S", 0.02)
    jobs = [f"job-{i}" for i in range(20)]
    sweeps = [Claims(storage) for _ in range(3)]
    with ThreadPoolExecutor(len(sweeps)) as pool:
        for job in jobs:
            got = list(pool.map(lambda sweep, job=job: sweep.take(job), sweeps))
            assert sum(got) <= 1
    held = [job for sweep in sweeps for job in sweep.mine]
    assert len(held) == len(set(held)) > len(jobs) / 2, "and mostly one does"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"jobs": 3}', b'{"jobs": ["a"], "pid": 1}'])
def test_a_file_that_is_no_claim_holds_nothing(storage, content):
    storage.write(content, "claims", "x.json")
    assert Claims(storage).take("a")


def test_while_it_lasts_its_claim_is_renewed(storage, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_S", 0.01)
    with Claims(storage) as first:
        first.take("a")
        for _ in range(500):
            age(storage, first, 3600)
            first.over.wait(0.02)
            if first.storage.fs.get_file_info(storage.path("claims", first.name)).mtime.timestamp() > 3600:
                break
        assert "a" in json.loads(storage.read("claims", first.name))["jobs"]
        assert not Claims(storage).take("a")
