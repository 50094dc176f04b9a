"""What TensorBoard is shown, read back as it reads it: each trial's epochs while they end, and no point twice."""

import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from orchestrator.errors import InputError
from orchestrator.estimate.schedule import Place
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import jobs
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims
from orchestrator.sweep.ledger import Ledger
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.tensorboard import TensorBoard
from orchestrator.training.refit import Refitted

CURVE = [0.5, None, 0.75, 0.625]


@pytest.fixture
def begin(tmp_path):
    """A sweep of jobs on one output, as each new run of it begins."""

    def build(*jobs) -> Sweep:
        output = Output(str(tmp_path / "out"))
        output.delete_folder("claims")
        return Sweep(Ledger.read(jobs, output), output, Claims(output), Place(1))

    return build


@pytest.fixture
def row(make_trial):
    def make(task, curve=CURVE, **columns):
        params = {"lr": 0.001, "pool": "average", **dict(task.params)}
        measured = {"wall_s": 40.0, "finished_at": "2026-01-01T00:01:00+00:00", "losses": '{"context": 0.25}'}
        return make_trial(task.job, task.index, curve, params=params, **{**measured, **columns})

    return make


def folder(root: Path, job, name: str) -> Path:
    return root / job.category.name / job.model / f"seed-{job.seed}" / name


def events(root: Path, job, index: int = 0, name: str | None = None) -> list[Event]:
    """Every event of a run's files, in their order, as they were written."""
    found = []
    for file in sorted(folder(root, job, name or job.trial_id(index)).glob("events.*")):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def points(found: list[Event], tag: str) -> list[tuple[int, float]]:
    return [(event.step, v.simple_value) for event in found for v in event.summary.value if v.tag == tag]


def test_each_epoch_is_there_as_it_ends(begin, make_job, tmp_path):
    job = make_job(trials=2)
    sweep = begin(job)
    with TensorBoard(str(tmp_path / "tb")).following(sweep):
        task = sweep.next_trial()
        for epoch, value in enumerate(CURVE, start=1):
            sweep.progressed(task, epoch, value)
            there = [(e, v) for e, v in enumerate(CURVE[:epoch], start=1) if v is not None]
            assert points(events(tmp_path / "tb", job), "val/auroc") == there


def test_sizes_lie_apart(begin, make_job, tmp_path, make_job_row):
    (small, large) = jobs(Experiment(model=("mean_image",), size_px=(32, 64), trials=1), [make_job().category], 1)
    sweep = begin(small, large)
    board = TensorBoard(str(tmp_path / "tb"))
    with board.following(sweep):
        for job in (small, large):
            board.closed(make_job_row(job))
    places = [path.relative_to(tmp_path / "tb" / "bottle" / "mean_image") for path in (tmp_path / "tb").rglob("*-test")]
    assert sorted(map(str, places)) == [f"32-px-seed-0/{small.id}-test", f"64-px-seed-0/{large.id}-test"]


def test_the_figures_of_two_experiments_in_one_folder_lie_apart(begin, make_job, tmp_path, make_job_row):
    for epochs, auc in ((2, 0.875), (3, 0.75)):
        job = make_job(trials=1, epochs=epochs)
        board = TensorBoard(str(tmp_path / "tb"))
        with board.following(begin(job)):
            board.closed(make_job_row(job, auc))
    for epochs, auc in ((2, 0.875), (3, 0.75)):
        job = make_job(trials=1, epochs=epochs)
        assert points(events(tmp_path / "tb", job, name=f"{job.id}-test"), "test/auroc") == [(epochs, auc)]


def test_a_finished_trial_has_its_curve_losses_and_parameters_once(begin, make_job, tmp_path, row):
    job = make_job(trials=1)
    sweep = begin(job)
    with TensorBoard(str(tmp_path / "tb")).following(sweep):
        task = sweep.next_trial()
        sweep.progressed(task, 1, 0.5)
        sweep.record(task, row(task))  # its last epochs were not told of, as when it stops itself
    found = events(tmp_path / "tb", job)
    assert points(found, "val/auroc") == [(1, 0.5), (3, 0.75), (4, 0.625)]
    assert points(found, "val/best_auroc") == [(3, 0.75)] and points(found, "loss/context") == [(4, 0.25)]
    assert len(list(folder(tmp_path / "tb", job, job.trial_id(0)).iterdir())) == 1
    times = [event.wall_time for event in found if points([event], "val/auroc")]
    assert [later - times[0] for later in times] == [0.0, 20.0, 30.0], "of epochs of ten seconds"


def test_tensorboard_itself_reads_it(begin, make_job, tmp_path, row):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    job = make_job(trials=1)
    sweep = begin(job)
    with TensorBoard(str(tmp_path / "tb")).following(sweep):
        task = sweep.next_trial()
        sweep.record(task, row(task))
    read = accumulator.EventAccumulator(str(folder(tmp_path / "tb", job, job.trial_id(0)))).Reload()
    assert [(point.step, point.value) for point in read.Scalars("val/auroc")] == [(1, 0.5), (3, 0.75), (4, 0.625)]
    session = plugin.HParamsPluginData.FromString(
        read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    parameters = session.session_start_info.hparams
    assert parameters["lr"].number_value == dict(task.params)["lr"] and parameters["pool"].string_value
    about = read.Tensors("about/text_summary")[0].tensor_proto.string_val[0].decode()
    assert about == "mvtec_ad bottle, protocol holdout, chosen on val, 64 px, seed 0, no device: completed"


def test_a_restarted_trial_takes_the_place_of_the_epochs_that_it_trains_again(begin, make_job, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    job = make_job(trials=1)
    for first in (1, 3):  # killed after epoch 4, gone on from the state of epoch 2
        sweep = begin(job)
        with TensorBoard(str(tmp_path / "tb")).following(sweep):
            task = sweep.next_trial()
            for epoch in range(first, 5):
                sweep.progressed(task, epoch, epoch / 10)
    read = accumulator.EventAccumulator(str(folder(tmp_path / "tb", job, job.trial_id(0)))).Reload()
    assert [point.step for point in read.Scalars("val/auroc")] == [1, 2, 3, 4]


def test_a_restart_leaves_finished_trials_as_they_are_and_catches_up_with_what_it_was_not_there_for(
    begin, make_job, tmp_path, row
):
    job, root = make_job(trials=3), tmp_path / "tb"
    sweep = begin(job)
    first = sweep.next_trial()
    sweep.record(first, row(first))
    written = []
    for _ in range(2):
        with TensorBoard(str(root)).following(begin(job)):
            pass
        assert points(events(root, job), "val/auroc") == [(1, 0.5), (3, 0.75), (4, 0.625)]
        written.append(list(root.rglob("events.*")))
    assert written[0] == written[1], "nothing was written again"


def test_a_job_ends_with_figures_that_are_named_test(begin, make_job, tmp_path, row, make_job_row):
    job, root = make_job(trials=1), tmp_path / "tb"
    sweep = begin(job)
    with TensorBoard(str(root)).following(sweep):
        task = sweep.next_trial()
        sweep.record(task, row(task))
        sweep.next_refit()
        sweep.close(Refitted(make_job_row(job, 0.875, f1=0.5, epochs=3), [], []))
    found = events(root, job, name=f"{job.id}-test")
    assert points(found, "test/auroc") == [(3, 0.875)] and points(found, "test/f1") == [(3, 0.5)]
    assert not any(points(events(root, job), tag) for tag in ("test/auroc", "test/f1"))


def test_a_failed_trial_says_so(begin, make_job, tmp_path, row):
    job = make_job(trials=1)
    sweep = begin(job)
    with TensorBoard(str(tmp_path / "tb")).following(sweep):
        task = sweep.next_trial()
        sweep.record(task, row(task, [], status="failed", wall_s=None))
    values = [value for event in events(tmp_path / "tb", job) for value in event.summary.value]
    (about,) = (value.tensor.string_val[0] for value in values if value.tag == "about/text_summary")
    assert about.endswith(b"no device: ValueError: no luck in trial 0")


def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--tensorboard .*file/tb cannot be written .Not a directory"):
        TensorBoard(str(tmp_path / "file" / "tb"))
    with pytest.raises(InputError, match="a folder is expected"):
        TensorBoard("s3://bucket/tb")


def test_a_fault_of_the_disk_ends_the_writing_and_not_the_sweep(begin, make_job, tmp_path, row, caplog):
    job = make_job(trials=2)
    sweep = begin(job)
    with TensorBoard(str(tmp_path / "tb")).following(sweep):
        (tmp_path / "tb" / "bottle").write_text("in the way")
        for _ in range(2):
            task = sweep.next_trial()
            sweep.progressed(task, 1, 0.5)
            sweep.record(task, row(task))
    assert len(sweep.output.trials()) == 2
    (line,) = [message for message in caplog.messages if "--tensorboard" in message]
    assert line.endswith("Nothing more is written there.")
