"""Two workers, each with its half of the batches, train one and the same detector."""

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from model.catalog import MODELS
from orchestrator.training.data_parallel import average_buffers, average_gradients

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


def test_weights_stay_equal_and_statistics_are_averaged(tmp_path):
    context = mp.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=work, args=(rank, str(tmp_path / "store"), results)) for rank in (0, 1)]
    for process in processes:
        process.start()
    found = sorted((results.get(timeout=120) for _ in processes for _ in DETECTORS), key=lambda result: result[:2])
    for process in processes:
        process.join(timeout=60)
    for (name, _, begun_0, weights_0, before_0, after_0), (_, _, begun_1, weights_1, before_1, after_1) in zip(
        found[::2], found[1::2], strict=True
    ):
        assert (begun_0 == begun_1).all(), name
        assert (weights_0 == weights_1).all() and (weights_0 != begun_0).any(), name
        assert (before_0 != before_1).any(), name
        assert torch.allclose(torch.tensor(after_0), torch.tensor((before_0 + before_1) / 2), atol=1e-6), name
        assert (after_0 == after_1).all(), name
