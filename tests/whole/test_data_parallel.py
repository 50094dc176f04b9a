"""Two workers, each with its half of the batches, train one and the same detector; killed within an epoch, too."""

import io
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from datasets.images import Images
from model.catalog import MODELS
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint, refit, saved_state
from orchestrator.training.data_parallel import Workers, average_buffers, average_gradients
from orchestrator.training.selection import Selections

CPU = torch.device("cpu")

DETECTORS = {  # joint steps; two optimisers of unequal pace, and phases; averages of weights beside spectral norms
    "sa_skip_ganomaly": {},
    "f_anogan": {"n_critic": 2},
    "egbad": {},
    "alad": {},
}


def detector(name: str):
    return MODELS[name](MODELS[name].HParams(**DETECTORS[name]), (3, 32, 32), "cpu")


def weights(of) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for network in of.networks().values() for p in network.parameters()])


def buffers(of) -> torch.Tensor:
    found = [b.flatten() for network in of.networks().values() for b in network.buffers() if b.is_floating_point()]
    return torch.cat(found)


def work(rank: int, store: str, results) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    for name in DETECTORS:
        torch.manual_seed(rank)  # other weights at first: rank 0's win
        mine = detector(name)
        average_gradients(mine)
        begun = weights(mine).clone()
        torch.manual_seed(100 + rank)  # other images
        for progress in (0.0, 0.0, 0.9):
            mine.step(torch.rand(2, 3, 32, 32) * 2 - 1, progress)
        before = buffers(mine).clone()
        average_buffers(mine)
        results.put((name, rank, begun.numpy(), weights(mine).numpy(), before.numpy(), buffers(mine).numpy()))
    dist.barrier()
    dist.destroy_process_group()


def on_both(work: Callable, answers: int, *arguments) -> list:
    """What two processes that run `work` (rank, *arguments, results) put into their queue, in order."""
    context = mp.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(rank, *arguments, results)) for rank in (0, 1)]
    for process in processes:
        process.start()
    found = sorted((results.get(timeout=120) for _ in range(answers)), key=lambda result: result[:2])
    for process in processes:
        process.join(timeout=60)
    return found


def test_weights_stay_equal_and_statistics_are_averaged(tmp_path):
    found = on_both(work, 2 * len(DETECTORS), str(tmp_path / "store"))
    for (name, _, begun_0, weights_0, before_0, after_0), (_, _, begun_1, weights_1, before_1, after_1) in zip(
        found[::2], found[1::2], strict=True
    ):
        assert (begun_0 == begun_1).all(), name
        assert (weights_0 == weights_1).all() and (weights_0 != begun_0).any(), name
        assert (before_0 != before_1).any(), name
        assert torch.allclose(torch.tensor(after_0), torch.tensor((before_0 + before_1) / 2), atol=1e-6), name
        assert (after_0 == after_1).all(), name


class Killed(Exception):
    """What ends a training in the middle of a test."""


class Mortal(Workers):
    """A worker that dies where it would ask for the last time whether to save."""

    def __init__(self, asks: int | None):
        super().__init__(CPU)
        self.asks = asks

    def agree(self, is_so: bool) -> bool:
        if self.asks == 0:
            raise Killed
        self.asks = self.asks and self.asks - 1
        return super().agree(is_so)


def refit_twice(rank: int, store: str, output: str, task: refit.RefitTask, images: Images, results) -> None:
    """Refits at one go, and once more with a death in the second epoch's last but one step."""
    torch.set_num_threads(1)
    saved_state.MOST_SHARE = float("inf")  # it saves whenever it is asked
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    whole, expected = refit.refit(task, images, Selections(CPU), 0.0, None, Mortal(None))
    steps = whole.row.steps // 2
    saved = refit.saved_state(Storage(output), task, every_s=0.0)
    with pytest.raises(Killed):
        refit.refit(task, images, Selections(CPU), 0.0, saved, Mortal((steps - 1) + (steps - 2)))
    dist.barrier()
    within = saved.load(CPU)["within"]["steps"]
    result, found = refit.refit(task, images, Selections(CPU), 0.0, saved, Mortal(None))
    scores = [[score.score for score in one.scores] for one in (whole, result)]
    weights = [files[checkpoint.WEIGHTS] for files in (expected, found)]
    results.put((rank, steps, within, result.row.steps, scores, weights))
    dist.barrier()
    dist.destroy_process_group()


def test_a_refit_killed_within_an_epoch_goes_on_to_the_very_same_weights(fabric, make_job, make_trial, tmp_path):
    job = make_job("fabric", workers=2, size_px=32, epochs=2, steps_per_epoch=4, batch=16)
    task = refit.refit_task(job, [make_trial(job, 0, [0.5, 0.6])])
    (tmp_path / "out").mkdir()
    for rank, steps, within, steps_in_all, (whole, resumed), weights in on_both(
        refit_twice, 2, str(tmp_path / "store"), str(tmp_path / "out"), task, fabric
    ):
        assert steps == 4 and (within, steps_in_all) == (steps - 2, 2 * steps)
        assert whole == resumed, rank
        expected, found = (torch.load(io.BytesIO(content), weights_only=True) for content in weights)
        for name, network in expected.items():
            for key, tensor in network.items():
                assert torch.equal(tensor, found[name][key]), (rank, name, key)
