"""A probe measures the run's own detector by a few steps: bounded in time, whatever a batch takes, never raising."""

import dataclasses

import pytest
import torch

from model.catalog import MODELS
from orchestrator.cli import main
from orchestrator.estimate import probe
from orchestrator.estimate.outlook import PROBE_S, Outlook, Place, complete
from orchestrator.estimate.pace import Measured, Pace
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Sized
from orchestrator.experiment.plan import Left
from orchestrator.local_backend import LocalBackend
from orchestrator.training.scoring import SCORE_BATCH

CPU = torch.device("cpu")
EXPERIMENT = Experiment(model=("ganomaly", "mean_image"), size_px=(32,), batch=4)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(probe, "TRAIN_S", 0.0)
    monkeypatch.setattr(probe, "SCORE_S", 0.0)


# -- the time of a batch


class Machine:
    """Takes a fixed time a batch and one an image, and has something to do first."""

    def __init__(self, batch_s: float, image_s: float, first_s: float = 0.0):
        self.batch_s, self.image_s, self.first_s = batch_s, image_s, first_s
        self.asked: list[int] = []

    def __call__(self, images: int) -> float:
        self.asked.append(images)
        return self.batch_s + self.image_s * images + (self.first_s if len(self.asked) == 1 else 0.0)


def test_batches_grow_from_one_image_to_the_whole_and_the_first_time_does_not_count():
    machine = Machine(0.1, 0.01, first_s=2.0)
    assert probe.batch_s(machine, 20, budget_s=4.0, whole=False) == pytest.approx(0.3)
    assert machine.asked[:8] == [1, 1, 2, 4, 8, 16, 20, 20]


def test_a_batch_that_takes_too_long_is_told_by_the_images_that_the_last_doubling_added():
    machine = Machine(1.0, 1.0)
    assert probe.batch_s(machine, 32, budget_s=10.0, whole=False) == pytest.approx(33)
    assert machine.asked == [1, 1, 2, 4]  # 2 + 2 + 3 s, and 5 s beyond


@pytest.mark.parametrize(("times", "expected"), [((2.0, 1.0, 1.0), 1 + 30 * 0.25), ((2.0, 1.0, 9.0), 9 + 30 * 4.5)])
def test_a_noisy_time_is_kept_within_half_the_mean_and_the_mean(times, expected):
    noisy = iter(times)
    assert probe.batch_s(lambda images: next(noisy), 32, budget_s=3.5, whole=False) == pytest.approx(expected)


def test_on_a_gpu_only_whole_batches_count_and_one_at_least():
    machine = Machine(1.0, 1.0, first_s=50.0)
    assert probe.batch_s(machine, 32, budget_s=3.0, whole=True) == pytest.approx(33)
    assert machine.asked == [32, 32]


def test_a_model_of_no_work_is_not_asked_for_ever():
    machine = Machine(0.0, 0.0)
    assert probe.batch_s(machine, 4, budget_s=3.0, whole=False) == 0
    assert machine.asked.count(4) == probe.ENOUGH


# -- a model


@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_probed(model):
    probed = probe.probe(EXPERIMENT, Sized(model, 32), CPU, 0.0)
    assert probed.error is None
    assert probed.pace.image_s > 0 and probed.pace.score_s > 0 and probed.pace.memory_bytes is None
    assert probed.device.startswith("cpu x") and probed.wall_s > 0


def test_the_detector_is_the_runs_own_at_its_size_and_batch(monkeypatch):
    seen = []

    class Watched(MODELS["ganomaly"]):
        def step(self, images, progress):
            seen.append((self.hparams.lr, tuple(images.shape)))
            assert images.dtype == torch.float32 and -1 <= images.min() < images.max() <= 1
            return super().step(images, progress)

        def score(self, images):
            seen.append(len(images))
            return super().score(images)

    monkeypatch.setattr("model.ganomaly.Ganomaly", Watched)
    monkeypatch.setattr(probe, "TRAIN_S", 60.0)
    monkeypatch.setattr(probe, "SCORE_S", 60.0)
    monkeypatch.setattr(probe, "ENOUGH", 1)
    probe.probe(dataclasses.replace(EXPERIMENT, set=("lr=0.003",)), Sized("ganomaly", 32), CPU, 0.0)
    assert (0.003, (4, 3, 32, 32)) in seen and seen[-1] == SCORE_BATCH


def test_a_model_of_phases_is_measured_in_each(monkeypatch):
    phases = []

    class Watched(MODELS["f_anogan"]):
        def step(self, images, progress):
            phases.append(progress < self.hparams.gan_share)
            return super().step(images, progress)

    monkeypatch.setattr("model.f_anogan.FAnoGan", Watched)
    monkeypatch.setattr(probe, "_timed", lambda work, device: lambda images: work(images) or 3.0 * images)
    pace = probe.probe(EXPERIMENT, Sized("f_anogan", 32), CPU, 0.0).pace
    assert phases[:3] == [True, True, False]  # two thirds are the GAN's
    assert pace.image_s == 1.0  # 3 s for three steps on one image


def test_a_model_that_takes_no_step_is_measured_by_making_it_anew_each_time(monkeypatch):
    seen = []

    class Watched(MODELS["patch_gaussian"]):
        def calibrate(self, normals):
            (images,) = normals
            seen.append((self.gaussian.is_fitted(), len(images)))
            super().calibrate([images])

    monkeypatch.setattr("model.patch_gaussian.PatchGaussian", Watched)
    monkeypatch.setattr(probe, "_timed", lambda work, device: lambda images: work(images) or 2.0 * images)
    pace = probe.probe(EXPERIMENT, "patch_gaussian", CPU, 0.0).pace
    assert seen[:3] == [(False, SCORE_BATCH), (False, 1), (False, 1)], "first the one that scores"
    assert pace.image_s == 2.0


def test_a_model_that_trains_is_calibrated_before_its_first_step(monkeypatch):
    seen = []

    class Watched(MODELS["patch_forged"]):
        def step(self, images, progress):
            seen.append(self.deviations.is_fitted())
            return super().step(images, progress)

    monkeypatch.setattr("model.patch_forged.PatchForged", Watched)
    assert probe.probe(EXPERIMENT, "patch_forged", CPU, 0.0).error is None
    assert seen and all(seen)


def test_anogans_long_search_is_cut_and_multiplied(monkeypatch):
    searches = []

    class Watched(MODELS["anogan"]):
        def score(self, images):
            searches.append(self.hparams.latent_steps)
            return torch.zeros(len(images)), images[:, 0]

    monkeypatch.setattr("model.anogan.AnoGan", Watched)
    monkeypatch.setattr(probe, "_timed", lambda work, device: lambda images: work(images) or 2.0 * images)
    probed = probe.probe(EXPERIMENT, Sized("anogan", 32), CPU, 0.0)
    assert set(searches) == {probe.SEARCH_STEPS}
    assert probed.pace == Pace(image_s=2.0, score_s=2.0 * 500 / probe.SEARCH_STEPS)
    short = dataclasses.replace(EXPERIMENT, set=("anogan.latent_steps=3",))
    assert probe.probe(short, Sized("anogan", 32), CPU, 0.0).pace.score_s == 2.0 and searches[-1] == 3


def test_a_size_that_a_model_does_not_take_is_its_failure():
    probed = probe.probe(EXPERIMENT, Sized("ganomaly", 48), CPU, 0.0)
    assert probed.pace is None and "a power of two >= 32" in probed.error


def test_want_of_memory_is_said_in_a_short_line(monkeypatch):
    def full(self, images, progress):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 80 GiB. And so on.")

    monkeypatch.setattr(MODELS["ganomaly"], "step", full)
    error = probe.probe(EXPERIMENT, Sized("ganomaly", 32), CPU, 0.0).error
    assert error == "does not fit in batches of 4: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


# -- what nothing told of


@pytest.fixture
def outlook(make_job):
    lefts = [Left(make_job(model=(model,), size_px=32, batch=4), 2, 1) for model in EXPERIMENT.model]
    paces = {Sized("ganomaly", 32): Pace(0.5, 0.5)}
    return Outlook(lefts, [Measured(paces, "cpu x4", 4.0, "CPU-core", rows=3)], Place(1))


def test_only_what_no_row_tells_of_is_probed_and_said(outlook):
    said = []
    whole = complete(outlook, EXPERIMENT, LocalBackend(Execution(backend="local")), said.append)
    rows, probed = whole.known
    assert rows == outlook.known[0] and set(probed.paces) == {Sized("mean_image", 32)} and probed.unit == "CPU-core"
    assert said == ["measuring by a few steps each: mean_image"] and whole.unmeasured() == []


def test_where_rows_tell_of_everything_or_time_is_short_nothing_is_probed(outlook):
    told = dataclasses.replace(outlook, lefts=outlook.lefts[:1])
    assert complete(told, EXPERIMENT, None, print) is told
    assert complete(outlook, EXPERIMENT, None, print, most_s=PROBE_S) is outlook


def test_a_probe_has_the_threads_of_a_trial():
    backend = LocalBackend(Execution(backend="local", cpus_per_trial=2))
    before = torch.get_num_threads()
    try:
        assert backend.probe(EXPERIMENT, Sized("mean_image", 32)).device == "cpu x2"
    finally:
        torch.set_num_threads(before)


# -- where it is asked for

SMALL = "--backend local --model mean_image --category fabric --size-px 32 --epochs 1 --trials 1".split()


def test_a_plan_with_a_probe_tells_times_and_writes_nothing(tmp_path, capsys):
    asked = ["plan", *SMALL, "--output", str(tmp_path / "out")]
    assert main(asked) == 0 and "time: not measured" in capsys.readouterr().out
    assert main([*asked, "--probe"]) == 0
    printed = capsys.readouterr().out
    assert "by a probe of 1 model" in printed and "on one slot" in printed and "not measured" not in printed
    assert not (tmp_path / "out").exists()


def test_a_run_with_a_time_budget_says_what_it_buys_before_its_first_trial(tmp_path, capsys):
    run = ["run", *SMALL, "--output", str(tmp_path)]
    assert main([*run, "--time-budget", "1h"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("left, which is enough") < printed.index("done    fabric")
    assert "by a probe of 1 model" in printed
    assert main([*run, "--seed", "1", "--time-budget", "1h"]) == 0
    assert "by 1 trial row" in capsys.readouterr().out
