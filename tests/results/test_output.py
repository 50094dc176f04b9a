"""Rows on disk: every row comes back as it was, once, whole, and inside the output folder."""

import dataclasses
import json
import math
import pickle
import threading
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector

from orchestrator.cli import main
from orchestrator.errors import RunError
from orchestrator.ranking.sql import query
from orchestrator.results.output import Output, partition, safe_name
from orchestrator.results.row_files import to_table
from orchestrator.results.rows import FAILED, JobRow, PictureRow, ScoreRow, TrialRow, arrow_schema


@pytest.fixture(params=["path", "file URI", "object store"])
def output(request, tmp_path) -> Output:
    """The three kinds of roots: a local folder, the same as a URI, and a file system that only has whole writes."""
    root = {"path": str(tmp_path / "out"), "file URI": f"file://{tmp_path}/out", "object store": "mock://bucket/out"}
    return Output(root[request.param]).create()


def files(output: Output) -> list[str]:
    """Paths of all files, relative to the root."""
    found = output.fs.get_file_info(FileSelector(output.base, recursive=True))
    return sorted(info.path.removeprefix(output.base + "/") for info in found if info.is_file)


def score_row(job, path="test/good/000.png", **columns) -> ScoreRow:
    identity = {"job_id": job.id, "dataset": "mvtec_ad", "category": job.category.name, "model": job.model, "seed": 0}
    return ScoreRow(**{**identity, "path": path, "label": 0, "defect": "good", "score": 0.25, **columns})


# -- round trips


def test_every_row_comes_back_as_it_was(output, make_job, make_trial, make_job_row):
    job = make_job()
    done = make_trial(job, 0, [0.5, 0.75], params={"lr": 2e-4}, lr=2e-4, preset="paper", losses='{"rec": 0.1}')
    failed = make_trial(job, 1, [], status=FAILED)
    row = make_job_row(job, test_auc=0.9, threshold=math.pi, checkpoint="checkpoints/x", device="cpu x1")
    scores = [score_row(job), score_row(job, "test/crack/000.png", label=1, defect="crack", score=1e-300)]
    output.write_trial(done)
    output.write_trial(failed)
    output.write_scores(row, scores)
    output.write_job(row)
    assert output.trials() == [done, failed]
    assert output.jobs() == [row]
    assert output.table("scores").to_pylist() == [dataclasses.asdict(score) for score in scores]


def test_pictures_come_back_byte_for_byte(output, make_job, make_job_row, make_picture):
    job = make_job()
    rows = [make_picture(job), make_picture(job, "test/crack/000.png", "crack", mask=b"\x89PNG\r\n\x1a\n\x00\xff")]
    output.write_pictures(make_job_row(job), rows)
    assert [PictureRow(**values) for values in output.table("pictures").to_pylist()] == rows


def test_one_jobs_folder_can_be_read_by_itself(output, make_job, make_job_row, make_picture):
    for job in (make_job(), make_job("cable")):
        output.write_pictures(make_job_row(job), [make_picture(job)])
    place = partition("mvtec_ad", "cable", "sa_skip_ganomaly")
    assert output.table("pictures", *place)["category"].to_pylist() == ["cable"]
    assert output.table("pictures", *place[:1]).num_rows == 2
    assert output.table("pictures", "dataset=none").num_rows == 0


def test_a_failed_jobs_row_comes_back_too(output, make_job, make_job_row):
    row = make_job_row(make_job(), None, status=FAILED, error="ValueError: lr is 'ö'\nsecond line", epochs=0)
    output.write_job(row)
    assert output.jobs() == [row] and output.jobs()[0].val_auc is None


def test_an_output_without_rows_has_empty_tables(output):
    assert output.trials() == [] and output.jobs() == []
    assert output.table("leaderboard").schema == arrow_schema(JobRow)


def test_rows_travel_between_processes_as_they_are(make_job, make_trial, make_picture):
    for row in (make_trial(make_job(), 0, [0.1, None], params={"lr": 0.1}), make_picture(make_job())):
        assert pickle.loads(pickle.dumps(row)) == row


@pytest.fixture
def without(output, make_job, make_trial):
    """Leaves one trial row as code that did not know these columns wrote it; returns the row."""

    def write(*columns: str) -> TrialRow:
        row = make_trial(make_job(), 0, [0.5], steps=9, train_s=2.0)
        output.write_trial(row)
        (path,) = (output.path(name) for name in files(output))
        old = pq.read_table(output.fs.open_input_file(path), partitioning=None).drop_columns(list(columns))
        with output.fs.open_output_stream(path) as stream:
            pq.write_table(old, stream)
        return row

    return write


def test_a_column_that_a_file_is_too_old_to_have_is_empty(output, without, make_job, make_trial):
    old, new = without("steps", "train_s"), make_trial(make_job(), 1, [0.5], steps=9, train_s=2.0)
    output.write_trial(new)
    assert output.trials() == [dataclasses.replace(old, steps=None, train_s=None), new]


# -- what is no file of rows


def test_a_file_without_what_every_row_must_have_is_skipped_and_named(output, without):
    without("job_id")
    assert output.trials() == []
    assert output.skipped == {path: "no column job_id" for path in files(output)}


@pytest.fixture
def beside(output, make_job, make_trial) -> Callable[[bytes], tuple[str, list[TrialRow]]]:
    """Leaves a file beside a good one; returns its path and the rows that there are."""

    def write(content: bytes) -> tuple[str, list[TrialRow]]:
        row = make_trial(make_job(), 0, [0.5])
        output.write_trial(row)
        path = f"trials/{'/'.join(partition(row.dataset, row.category, row.model))}/foreign.parquet"
        output.write(content, path)
        return path, [row]

    return write


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def broken(name: str, row: TrialRow) -> bytes:
    """Content that is not a file of trial rows, each for another reason."""
    good = to_table(TrialRow, [row])
    whole = parquet(good)
    place = good.schema.get_field_index("seed")
    return {
        "nothing": b"",
        "text": b"job_id,seed\n",
        "a footer cut off": whole[:-20],
        "a beginning cut off": whole[2000:],
        "pages overwritten": whole[:4] + b"\xff" * (len(whole) // 2) + whole[4 + len(whole) // 2 :],
        "foreign columns": parquet(pa.table({"n": [1]})),
        "a wrong type": parquet(good.set_column(place, "seed", pa.array(["zero"]))),
        "empty cells": parquet(good.set_column(place, "seed", pa.array([None], pa.int64()))),
    }[name]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nothing", "size is 0 bytes"),
        ("text", "footer"),
        ("a footer cut off", "footer"),
        ("a beginning cut off", ""),
        ("pages overwritten", ""),
        ("foreign columns", "no column experiment"),
        ("a wrong type", "column seed is string, int64 is expected"),
        ("empty cells", "seed"),
    ],
)
@pytest.mark.parametrize("is_merged", [False, True])
def test_an_unreadable_or_foreign_file_is_skipped_and_named_in_one_line(
    name, why, is_merged, beside, output, make_job, make_trial
):
    content = broken(name, make_trial(make_job("cable"), 0, [0.5]))
    path, rows = beside(content)
    if is_merged:
        output.delete(path)
        path = "trials/merged-0.parquet"
        output.write(content, path)
    assert output.trials() == rows and list(output.skipped) == [path]
    assert why in output.skipped[path] and "\n" not in output.skipped[path]


def test_a_folder_that_is_called_like_a_file_is_skipped_with_all_that_it_holds(output, make_job, make_trial):
    row = make_trial(make_job(), 0, [0.5])
    output.write_trial(row)
    output.write(parquet(to_table(TrialRow, [make_trial(make_job("cable"), 0, [0.5])])), "trials/x.parquet/0.parquet")
    assert output.trials() == [row]
    assert output.skipped == {"trials/x.parquet": "a folder; a Parquet file is expected"}


def test_a_query_skips_and_names_the_same_files(output, make_job, make_job_row):
    output.write_job(make_job_row(make_job()))
    output.write(b"torn", "leaderboard/merged-0.parquet")
    (table,) = output.sources("leaderboard")
    assert table.num_rows == 1 and list(output.skipped) == ["leaderboard/merged-0.parquet"]


def test_a_fault_of_the_storage_is_no_fault_of_a_file(tmp_path, make_job, make_trial):
    """It must not look as if there were no rows: they would all be trained again."""

    class Failing(Output):
        def read(self, *parts):
            raise OSError(5, "Input/output error")

    Output(str(tmp_path)).write_trial(make_trial(make_job(), 0, [0.5]))
    output = Failing(str(tmp_path))
    with pytest.raises(RunError, match="Input/output error, while reading trials/"):
        output.trials()
    assert output.skipped == {}


@pytest.mark.parametrize(
    "command", [["leaderboard"], ["leaderboard", "--sql", "FROM leaderboard"], ["leaderboard", "--paper"], ["figures"]]
)
def test_every_command_names_each_skipped_file_once_after_its_result(command, tmp_path, make_job, make_job_row, capsys):
    output = Output(str(tmp_path))
    output.write_job(make_job_row(make_job()))
    output.write(b"torn", "leaderboard/dataset=x/torn\x1b.parquet")
    assert main([*command, "--output", str(tmp_path)]) == 0
    shown, named = capsys.readouterr()
    assert shown and len(named.splitlines()) == 1
    assert named.startswith("defectsweep: skipped leaderboard/dataset=x/torn\\x1b.parquet: Parquet")


# -- identity


def test_a_row_written_again_replaces_the_first(output, make_job, make_trial, make_job_row):
    job = make_job()
    for value in (0.5, 0.6):
        output.write_trial(make_trial(job, 0, [value]))
        output.write_scores(make_job_row(job), [score_row(job, score=value)] * 2)
        output.write_job(make_job_row(job, value))
    assert [row.val_auc for row in output.trials()] == [0.6]
    assert [row.test_auc for row in output.jobs()] == [0.6]
    assert output.table("scores")["score"].to_pylist() == [0.6, 0.6]
    assert len(files(output)) == 3


@pytest.fixture
def three_levels(output, make_job, make_trial) -> list[TrialRow]:
    """A trial's own row, the one in its job's file, and the one in a merged file, as after merges that were cut short;
    beside each lies a row that is in no other."""
    job = make_job()
    own, in_job, merged = (make_trial(job, 0, [value]) for value in (0.3, 0.2, 0.1))
    others = [make_trial(job, 1, [0.9]), make_trial(job, 2, [0.9]), make_trial(job, 3, [0.9])]
    output.write_merged("trials", to_table(TrialRow, [merged, others[2]]))
    place = partition(job.category.dataset, job.category.name, job.model)
    output.write_table(to_table(TrialRow, [in_job, others[1]]), "trials", *place, f"{job.id}.parquet")
    output.write_trial(own)
    output.write_trial(others[0])
    return [own, *others]


def test_of_a_row_in_files_of_several_levels_the_own_file_counts_then_the_jobs(output, three_levels):
    assert output.trials() == three_levels
    own = three_levels[0]
    (path,) = (path for path in files(output) if path.endswith(f"{own.trial_id}.parquet"))
    output.delete(path)
    assert [row.val_auc for row in output.trials()] == [0.2, 0.9, 0.9, 0.9]
    (path,) = (path for path in files(output) if path.endswith(f"{own.job_id}.parquet"))
    output.delete(path)
    assert [row.val_auc for row in output.trials() if row.index == 0] == [0.1]


def test_of_two_merged_files_the_newer_counts(tmp_path, make_job, make_trial):
    output = Output(str(tmp_path))
    for value in (0.1, 0.2, 0.3, 0.4):
        output.write_merged("trials", to_table(TrialRow, [make_trial(make_job(), 0, [value])]))
        assert [row.val_auc for row in output.trials()] == [value]


def test_a_query_counts_the_same_rows(output, three_levels):
    sql = "SELECT index, val_auc FROM trials WHERE val_auc > 0 ORDER BY index"
    expected = [(row.index, row.val_auc) for row in three_levels]
    assert list(query(sql, output.sources).itertuples(index=False, name=None)) == expected
    output.write_merged("trials", output.table("trials"))  # a second one, as beside a compaction
    assert list(query(sql, output.sources).itertuples(index=False, name=None)) == expected


def test_a_job_whose_scores_lie_in_two_files_has_those_of_one(output, make_job, make_job_row):
    job = make_job()
    output.write_merged("scores", to_table(ScoreRow, [score_row(job, path) for path in ("a", "b", "c")]))
    output.write_scores(make_job_row(job), [score_row(job, "b", score=0.5)])
    assert output.table("scores").select(["path", "score"]).to_pylist() == [{"path": "b", "score": 0.5}]


def test_a_query_goes_on_when_its_merged_file_is_compacted_away(tmp_path, make_job, make_job_row):
    output = Output(str(tmp_path))
    path = output.write_merged("leaderboard", to_table(JobRow, [make_job_row(make_job())]))
    sources = output.sources("leaderboard")
    output.delete(path)
    assert query("SELECT count(*) AS n FROM leaderboard", lambda kind: sources).n.tolist() == [1]


def test_files_lie_where_the_design_says(output, make_job, make_trial, make_job_row):
    job = make_job()
    output.write_trial(make_trial(job, 3, [0.5]))
    output.write_job(make_job_row(job))
    assert output.write_checkpoint(job.id, {"weights.pt": b"w"}) == f"checkpoints/{job.id}"
    place = "dataset=mvtec_ad/category=bottle/model=sa_skip_ganomaly"
    assert files(output) == [
        f"checkpoints/{job.id}/weights.pt",
        f"leaderboard/{place}/{job.id}.parquet",
        f"trials/{place}/{job.id}-t0003.parquet",
    ]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "..", ".", "a b", "schräg/größe", "=x=", "%2e%2e", "c:\\d", "名"])
def test_names_of_any_characters_stay_inside_the_output(name, tmp_path, make_job, make_trial, make_job_row):
    output = Output(str(tmp_path / "deep" / "out"))
    job = make_job(name)
    output.write_trial(make_trial(job, 0, [0.5]))
    output.write_job(make_job_row(job))
    output.write_scores(make_job_row(job), [score_row(job)])
    output.write_checkpoint(job.id, {"weights.pt": b"w"})
    assert [row.category for row in output.trials()] == [name]
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(everything) == 4
    assert all(path.relative_to(output.base).parts[0] in ("trials", "leaderboard", "scores", "checkpoints")
               for path in everything)  # fmt: skip
    assert {len(path.relative_to(output.base).parts) for path in everything} == {3, 5}, "a name is one folder"


def test_safe_names():
    assert safe_name("a/b c-..d_ü=1") == "a_b_c-..d__=1"
    assert safe_name("../..") == "_" == safe_name("ü")


# -- whole files only


def test_a_torn_file_beside_is_not_read(tmp_path, make_job, make_trial):
    output = Output(str(tmp_path))
    row = make_trial(make_job(), 0, [0.5])
    output.write_trial(row)
    (path,) = tmp_path.rglob("*.parquet")
    (path.parent / f".{path.name}.0123.tmp").write_bytes(path.read_bytes()[:100])
    (path.parent / f".{path.name}").write_bytes(b"PAR1")
    assert output.trials() == [row]


def test_many_writers_and_a_reader_never_meet_half_a_file(tmp_path, make_job, make_trial):
    job, over, seen = make_job(), threading.Event(), []

    def read():
        while not over.is_set():
            seen.append([row.val_auc for row in Output(str(tmp_path)).trials()])

    def write(values):
        for value in values:
            Output(str(tmp_path)).write_trial(make_trial(job, 0, [value] * 50))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=([0.1 * k] * 15,)) for k in (1, 2)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    reader.join()
    assert seen and all(row in ([], [0.1], [0.2]) for row in seen)


# -- where nothing can be written or read


def test_reading_below_a_file_finds_no_rows(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for root in (tmp_path / "file", tmp_path / "file" / "out", tmp_path / "none"):
        assert Output(str(root)).jobs() == []


# -- what else an output keeps


def test_a_jobs_traces_are_removed_and_no_other_jobs(output, make_job, make_trial, make_job_row, make_picture):
    gone, kept = make_job(seed=(1,)), make_job(seed=(11,))
    for job in (gone, kept):
        output.write_trial(make_trial(job, 0, [0.5]))
        output.write_scores(make_job_row(job), [score_row(job)])
        output.write_pictures(make_job_row(job), [make_picture(job)])
        output.write_job(make_job_row(job))
        output.write_checkpoint(job.id, {"weights.pt": b"w"})
    output.delete_job("mvtec_ad", "bottle", gone.model, gone.id)
    assert len(files(output)) == 5 and not any(gone.id in path for path in files(output))
    assert [row.job_id for row in output.jobs()] == [kept.id]
    output.delete_job("mvtec_ad", "bottle", gone.model, gone.id)


def test_a_note_is_kept(output):
    assert output.read_note("abc") is None
    output.write_note("abc", {"parallel_trials": 2})
    assert output.read_note("abc") == {"parallel_trials": 2}


def test_anyone_can_read_the_rows_with_plain_parquet(tmp_path, make_job, make_job_row):
    Output(str(tmp_path)).write_job(make_job_row(make_job("a b"), 0.75))
    table = pq.read_table(tmp_path / "leaderboard", partitioning=None)
    assert table["category"].to_pylist() == ["a b"] and table["test_auc"].to_pylist() == [0.75]
    assert json.loads(table["params"][0].as_py()) == {}


def test_the_rows_of_some_jobs_alone(output, make_job, make_trial, make_job_row):
    jobs = [make_job(), make_job(seed=(1,)), make_job("cable")]
    for job in jobs:
        output.write_trial(make_trial(job, 0, [0.5]))
        output.write_job(make_job_row(job))
    assert [row.job_id for row in output.trials(of={jobs[1].id})] == [jobs[1].id]
    assert [row.job_id for row in output.jobs(of=[jobs[2].id, jobs[0].id])] == [jobs[0].id, jobs[2].id]
    assert output.trials(of=[]) == [] == output.trials("mvtec_ad", "cable", jobs[2].model, of=[jobs[0].id])


def test_text_that_is_not_utf8_makes_a_file_foreign(output, make_job, make_trial):
    output.write_trial(make_trial(make_job(), 0, [0.5]))
    (path,) = (output.path(name) for name in files(output))
    table = pq.read_table(output.fs.open_input_file(path), partitioning=None)
    hostile = pa.array([b"\xff\x1b[31m"], pa.binary()).view(pa.string())
    with output.fs.open_output_stream(path) as stream:
        pq.write_table(table.set_column(table.schema.get_field_index("category"), "category", hostile), stream)
    assert output.trials() == [] and "UTF" in output.skipped[files(output)[0]]
