"""Compaction: fewer files, the same rows, whatever is killed when and whoever else is at work."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from orchestrator.cli import main
from orchestrator.errors import RunError
from orchestrator.ranking import leaderboard
from orchestrator.results import compaction
from orchestrator.results.compaction import compact, merge_job
from orchestrator.results.output import Output, partition
from orchestrator.results.row_files import each_once
from orchestrator.results.rows import FAILED

PLACE = "dataset=mvtec_ad/category=bottle/model=sa_skip_ganomaly"


class Stopped(Exception):
    """As a kill between two operations on the storage."""


class Stopping(Output):
    """An output whose process dies before its n-th write or delete."""

    def __init__(self, root: str, operations: int):
        super().__init__(root)
        self.left = operations

    def write(self, data, *parts):
        self._count()
        super().write(data, *parts)

    def delete(self, *parts):
        self._count()
        super().delete(*parts)

    def _count(self):
        if self.left == 0:
            raise Stopped
        self.left -= 1


@pytest.fixture(params=["path", "object store"])
def output(request, tmp_path) -> Output:
    root = {"path": str(tmp_path / "out"), "object store": "mock://bucket/out"}
    return Output(root[request.param]).create()


@pytest.fixture
def fill(make_job, make_trial, make_measured):
    """Leaves some jobs' rows, as sweeps do; returns the jobs."""

    def write(output: Output, categories=("bottle", "cable"), seeds=(0, 1), trials=3, auc=0.5):
        jobs = [make_job(category, seed=(seed,)) for category in categories for seed in seeds]
        for job in jobs:
            for index in range(trials):
                output.write_trial(make_trial(job, index, [auc, auc + index / 100]))
            row, scores = make_measured(job, np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, auc]))
            output.write_scores(row, scores)
            output.write_job(row)
        return jobs

    return write


def rows(output: Output) -> tuple:
    """Everything that can be read, in no order."""
    output = Output(output.root) if output.is_local else output
    tables = (output.table(kind).to_pylist() for kind in (*compaction.KINDS, "pictures"))
    return tuple(sorted(map(str, table)) for table in tables)


def names(output: Output, kind: str) -> list[str]:
    """Paths of the files of a kind, below its folder; those of merged files without their random part."""
    paths = (info.path.removeprefix(f"{output.base}/{kind}/") for info in output.files(kind))
    return sorted(re.sub(r"merged-[0-9a-f]{16}", "merged-X", path) for path in paths)


def place(job) -> tuple[str, str, str, str]:
    return job.category.dataset, job.category.name, job.model, job.id


# -- a job's trials


def test_the_trials_of_a_job_become_one_file_and_no_other_jobs_are_touched(output, fill, make_trial):
    job, other = fill(output, categories=("bottle",))
    before = rows(output)
    merge_job(output, *place(job), [row for row in output.trials() if row.job_id == job.id])
    own = [f"{PLACE}/{other.trial_id(index)}.parquet" for index in range(3)]
    assert names(output, "trials") == sorted([f"{PLACE}/{job.id}.parquet", *own])
    assert rows(output) == before


def test_rows_that_are_not_in_memory_are_merged_from_their_files(output, fill):
    (job,) = fill(output, ("bottle",), (0,))
    before = rows(output)
    merge_job(output, *place(job), [row for row in output.trials() if row.index == 1])
    assert names(output, "trials") == [f"{PLACE}/{job.id}.parquet"] and rows(output) == before


def test_a_trial_of_a_merged_job_that_is_run_again_counts_and_is_merged_again(output, fill, make_trial):
    (job,) = fill(output, ("bottle",), (0,))
    merge_job(output, *place(job))
    output.write_trial(make_trial(job, 1, [0.9]))
    output.write_trial(make_trial(job, 3, [0.8]))
    again = rows(output)
    assert [row.val_auc for row in output.trials()] == [0.5, 0.9, 0.52, 0.8]
    merge_job(output, *place(job))
    assert rows(output) == again and len(names(output, "trials")) == 1


def test_merging_a_job_that_is_merged_or_has_no_rows_changes_nothing(output, fill, make_job):
    (job,) = fill(output, ("bottle",), (0,))
    merge_job(output, *place(job))
    before = output.files_of("trials")
    merge_job(output, *place(job), output.trials())
    merge_job(output, *place(make_job("cable")))
    assert output.files_of("trials") == before


def test_an_unreadable_file_of_a_trial_that_is_in_no_other_place_is_left(tmp_path, fill):
    output = Output(str(tmp_path))
    (job,) = fill(output, ("bottle",), (0,))
    (tmp_path / "trials" / PLACE / f"{job.trial_id(7)}.parquet").write_bytes(b"PAR1")
    merge_job(output, *place(job))
    assert names(output, "trials") == [f"{PLACE}/{job.trial_id(7)}.parquet", f"{PLACE}/{job.id}.parquet"]


# -- all jobs


def test_all_files_of_a_kind_become_one(output, fill, make_job_row, make_picture):
    jobs = fill(output)
    output.write_pictures(make_job_row(jobs[0]), [make_picture(jobs[0])])
    merge_job(output, *place(jobs[0]))
    before = rows(output)
    assert list(compact(output)) == [
        "trials: 10 files -> 1, 12 rows",
        "leaderboard: 4 files -> 1, 4 rows",
        "scores: 4 files -> 1, 16 rows",
    ]
    for kind in ("trials", "leaderboard", "scores"):
        assert names(output, kind) == ["merged-X.parquet"]
    assert len(names(output, "pictures")) == 1, "pictures are read a job at a time"
    assert rows(output) == before


def test_compacting_twice_changes_nothing(output, fill):
    fill(output)
    list(compact(output))
    before = [output.files_of(kind) for kind in compaction.KINDS]
    assert list(compact(output))[0] == "trials: 12 rows, nothing to merge"
    assert [output.files_of(kind) for kind in compaction.KINDS] == before


def test_nothing_is_nothing_to_merge(output):
    assert list(compact(output)) == [f"{kind}: 0 rows, nothing to merge" for kind in compaction.KINDS]
    assert output.files() == []


def test_what_is_written_after_a_compaction_counts_and_is_merged_by_the_next(output, fill, make_trial):
    (first, *_) = fill(output)
    list(compact(output))
    output.write_trial(make_trial(first, 0, [0.99]))
    fill(output, ("screw",), auc=0.7)
    fill(output, ("cable",), (0,), auc=0.8)
    before = rows(output)
    assert [row.val_auc for row in output.trials() if row.trial_id == first.trial_id(0)] == [0.99]
    assert output.table("scores").num_rows == 6 * 4 and output.table("trials").num_rows == 6 * 3
    list(compact(output))
    assert rows(output) == before and names(output, "trials") == ["merged-X.parquet"]


def test_merged_rows_lie_in_order(output, fill):
    fill(output, ("cable", "bottle"), (1, 0), trials=12)
    list(compact(output))
    assert [(row.category, row.job_id, row.index) for row in output.trials()] == sorted(
        (row.category, row.job_id, row.index) for row in output.trials()
    )
    paths = output.table("scores").select(["category", "job_id", "path"]).to_pylist()
    assert paths == sorted(paths, key=lambda row: tuple(row.values()))


def test_one_place_can_be_read_by_itself_wherever_its_rows_lie(output, fill, make_trial):
    jobs = fill(output, ("bottle", "a b"))
    list(compact(output))
    output.write_trial(make_trial(jobs[2], 9, [0.9]))
    assert {row.category for row in output.trials("mvtec_ad", "a b", "sa_skip_ganomaly")} == {"a b"}
    assert len(output.trials("mvtec_ad", "a b", "sa_skip_ganomaly")) == 7
    assert len(output.jobs("mvtec_ad", "bottle", "sa_skip_ganomaly")) == 2
    assert output.table("scores", *partition("mvtec_ad", "a b", "mean_image")).num_rows == 0


def test_the_ranking_is_the_same_to_the_last_digit(output, fill):
    fill(output)
    frames = []
    for _ in range(2):
        frames.append(leaderboard.jobs(output.table("leaderboard").to_pandas(), output.table("scores").to_pandas()))
        list(compact(output))
    assert frames[0].equals(frames[1])


def test_the_files_of_a_job_that_a_sweep_holds_are_left_alone(output, fill, make_trial):
    held, *_ = fill(output)
    list(compact(output, lambda: {held.id}))
    assert names(output, "trials") == [
        f"{PLACE}/{held.trial_id(0)}.parquet", f"{PLACE}/{held.trial_id(1)}.parquet",
        f"{PLACE}/{held.trial_id(2)}.parquet", "merged-X.parquet",
    ]  # fmt: skip
    assert names(output, "scores") == [f"{PLACE}/{held.id}.parquet", "merged-X.parquet"]
    output.write_trial(make_trial(held, 0, [0.99]))
    before = rows(output)
    list(compact(output))
    assert rows(output) == before and names(output, "trials") == ["merged-X.parquet"]


def test_files_that_are_no_rows_are_left_and_named(tmp_path, fill):
    output = Output(str(tmp_path))
    fill(output)
    (tmp_path / "trials" / "merged-0.parquet").write_bytes(b"torn")
    (tmp_path / "trials" / PLACE / "torn.parquet").write_bytes(b"")
    before = rows(output)
    list(compact(output))
    list(compact(output))
    assert rows(output) == before
    assert len(names(output, "trials")) == 3 and set(output.skipped) == {
        "trials/merged-0.parquet", f"trials/{PLACE}/torn.parquet"
    }  # fmt: skip


def test_unfinished_files_of_killed_writers_are_removed_when_they_are_old(tmp_path, fill):
    output = Output(str(tmp_path))
    fill(output)
    folder = tmp_path / "trials" / PLACE
    old, young, other = (folder / f".x.parquet.{'0' * 32}.tmp", folder / f".y.{'1' * 32}.tmp", folder / ".mine.tmp")
    for path in (old, young, other):
        path.write_bytes(b"")
    for path in (old, other):
        os.utime(path, (time.time() - 3700,) * 2)
    assert list(compact(output))[-1] == "1 unfinished files of killed processes removed"
    assert not old.exists() and young.exists() and other.exists()


# -- killed at any moment


def stop_everywhere(root, prepare, act):
    """Runs `act` on a fresh output until it dies before its n-th operation, for every n; yields (the rows before, the
    output after) each time, and once more when it has run to its end."""
    operations = 0
    while True:
        folder = str(root / str(operations))
        prepare(Output(folder))
        before = rows(Output(folder))
        try:
            act(Stopping(folder, operations))
        except Stopped:
            yield before, Output(folder)
            act(Output(folder))
            yield before, Output(folder)
        else:
            assert operations > 3, "it has done something"
            return
        operations += 1


def test_a_compaction_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path, fill, make_trial):
    def prepare(output):
        (first, second) = fill(output, ("bottle",))
        list(compact(output))
        output.write_trial(make_trial(first, 0, [0.99]))  # newer than the merged row
        merge_job(output, *place(first))
        output.write_trial(make_trial(first, 0, [0.999]))  # newer than both
        output.write_trial(make_trial(second, 1, [], status=FAILED))
        fill(output, ("cable",), trials=2)
        fill(output, ("bottle",), (1,), auc=0.8)

    for before, output in stop_everywhere(tmp_path, prepare, lambda output: list(compact(output))):
        assert rows(output) == before


def test_a_jobs_merge_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path, fill, make_trial):
    def prepare(output):
        (job,) = fill(output, ("bottle",), (0,))
        merge_job(output, *place(job))
        output.write_trial(make_trial(job, 1, [0.9]))
        output.write_trial(make_trial(job, 3, [0.8]))
        output.write_trial(make_trial(job, 4, [0.8]))

    def act(output):
        (job,) = output.jobs()
        merge_job(output, job.dataset, job.category, job.model, job.job_id, Output(output.root).trials())

    for before, output in stop_everywhere(tmp_path, prepare, act):
        assert rows(output) == before


def test_forgetting_a_job_that_is_killed_at_any_moment_keeps_every_other_jobs_rows(tmp_path, fill, make_job):
    gone = make_job("bottle", seed=(1,))

    def prepare(output):
        fill(output, trials=2)
        list(compact(output))
        fill(output, ("bottle",), (1, 2), trials=1, auc=0.7)

    def others(all_rows):
        return [[row for row in table if gone.id not in row] for table in all_rows]

    def act(output):
        output.delete_job(*place(gone))

    for before, output in stop_everywhere(tmp_path, prepare, act):
        assert others(rows(output)) == others(before)
    assert others(rows(output)) == list(rows(output)), "nothing is left of it at the end"


def test_a_compaction_that_is_killed_for_real(tmp_path, fill):
    output = Output(str(tmp_path))
    fill(output, ("bottle", "cable", "screw"), range(10), trials=10)
    before = rows(output)
    command = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())",
               "compact", "--output", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and len(output.files("trials")) >= 300:  # it is deleting by then
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and 1 < len(output.files("trials")) < 300
    assert rows(output) == before
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    assert rows(output) == before and names(output, "trials") == ["merged-X.parquet"]


# -- beside others at work


class Interrupted(Output):
    """An output where somebody else does something just before the first merged file of trials is written, or just
    after it."""

    def __init__(self, root: str, before=lambda: None, after=lambda: None):
        super().__init__(root)
        self.deeds = [before, after]

    def write(self, data, *parts):
        deeds, self.deeds = self.deeds, [lambda: None] * 2
        deeds[0]()
        super().write(data, *parts)
        deeds[1]()


@pytest.mark.parametrize("when", ["before", "after"])
def test_of_two_compactions_at_once_nothing_is_lost(when, tmp_path, fill, make_trial):
    output = Output(str(tmp_path))
    first, *_ = fill(output)
    list(compact(output))
    fill(output, ("screw",))
    before = rows(output)
    list(compact(Interrupted(output.root, **{when: lambda: list(compact(Output(output.root)))})))
    assert rows(output) == before and names(output, "trials") == ["merged-X.parquet"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_row_that_is_written_again_during_a_compaction_is_kept(when, tmp_path, fill, make_trial):
    output = Output(str(tmp_path))
    first, *_ = fill(output)
    list(compact(Interrupted(output.root, **{when: lambda: output.write_trial(make_trial(first, 0, [0.99]))})))
    assert [row.val_auc for row in output.trials() if row.trial_id == first.trial_id(0)] == [0.99]


def test_a_row_that_is_written_again_when_its_file_is_about_to_be_deleted_is_kept(tmp_path, fill, make_trial):
    output = Output(str(tmp_path))
    first, *_ = fill(output)
    looks = iter([lambda: None, lambda: output.write_trial(make_trial(first, 0, [0.99]))])  # before listing; deleting
    list(compact(output, lambda: next(looks, lambda: None)() or ()))
    assert [row.val_auc for row in output.trials() if row.trial_id == first.trial_id(0)] == [0.99]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("merged", [False, True])
def test_a_job_that_is_forgotten_during_a_compaction_does_not_come_back(when, merged, tmp_path, fill):
    output = Output(str(tmp_path))
    first, *_ = fill(output)
    if merged:
        list(compact(output))
        fill(output, ("screw",))
    expected = output.table("trials").num_rows - 3
    list(compact(Interrupted(output.root, **{when: lambda: Output(output.root).delete_job(*place(first))})))
    assert first.id not in {row.job_id for row in output.trials()} and len(output.trials()) == expected


def test_a_job_that_a_sweep_claims_during_a_compaction_keeps_its_files(tmp_path, fill):
    output = Output(str(tmp_path))
    first, *_ = fill(output)
    held: set[str] = set()
    list(compact(Interrupted(output.root, after=lambda: held.add(first.id)), lambda: set(held)))
    assert len(names(output, "trials")) == 1 + 3


def test_a_file_that_a_compaction_writes_while_a_job_is_forgotten_is_rid_of_it_too(tmp_path, fill):
    output = Output(str(tmp_path))
    first, *_ = fill(output)
    list(compact(output))
    rows_of_all = output.table("leaderboard")
    forgetful = Interrupted(output.root, before=lambda: output.write_merged("leaderboard", rows_of_all))
    forgetful.delete_job(*place(first))
    assert first.id not in {row.job_id for row in output.jobs()} and len(output.jobs()) == 3


def test_a_reader_beside_a_compaction_sees_every_row_once(tmp_path, fill):
    class Late(Output):
        """Reads after the files that it has listed were compacted away."""

        late = True

        def tables(self, *arguments):
            if self.late:
                self.late = False
                list(compact(Output(self.root)))
            return super().tables(*arguments)

    fill(Output(str(tmp_path)))
    before = rows(Output(str(tmp_path)))
    late = Late(str(tmp_path))
    assert sorted(map(str, late.table("trials").to_pylist())) == before[0] and late.skipped == {}


def test_a_listing_that_misses_what_moves_is_made_again(tmp_path, fill):
    class Slow(Output):
        """Lists the files of jobs after a compaction, but the merged ones before it."""

        looks = 0

        def _list(self, kind, folders):
            self.looks += 1
            if self.looks != 2:
                return super()._list(kind, folders)
            merged = [file for file in super()._list(kind, folders) if file.job_id == ""]
            list(compact(Output(self.root)))
            return merged + [file for file in super()._list(kind, folders) if file.job_id]

    fill(Output(str(tmp_path)))
    assert len(Slow(str(tmp_path)).trials()) == 12


def test_a_fault_of_the_storage_is_one_line_and_no_row_is_lost(tmp_path, fill):
    class Full(Output):
        def _write(self, path, data):
            raise OSError(28, "No space left on device")

    output = Output(str(tmp_path))
    fill(output)
    before = rows(output)
    with pytest.raises(RunError, match="No space left on device"):
        list(compact(Full(str(tmp_path))))
    assert rows(output) == before


# -- the command


def test_the_command_says_what_it_merged_and_what_it_skipped(tmp_path, fill, capsys):
    fill(Output(str(tmp_path)))
    (tmp_path / "trials" / "x.parquet").mkdir()
    assert main(["compact", "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "trials: 12 files -> 1, 12 rows"
    assert err == "defectsweep: skipped trials/x.parquet: a folder; a Parquet file is expected\n"


def test_there_is_nothing_to_compact_where_there_are_no_rows(tmp_path, capsys):
    assert main(["compact", "--output", str(tmp_path / "typo")]) == 2
    assert "holds no rows" in capsys.readouterr().err and not (tmp_path / "typo").exists()


def test_anyone_can_read_a_merged_file_with_plain_parquet(tmp_path, fill):
    fill(Output(str(tmp_path)))
    list(compact(Output(str(tmp_path))))
    table = pq.read_table(tmp_path / "leaderboard", partitioning=None)
    assert table.num_rows == 4 and set(table["category"].to_pylist()) == {"bottle", "cable"}
    assert each_once("leaderboard", [table]).num_rows == 4
