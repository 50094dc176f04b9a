"""A probe: how fast a model trains and scores here, by a few steps on made-up images of the run's size and batch.

The detector is the run's own: the model's defaults with what --set fixes. On a GPU whole batches are measured. On CPU,
where one may take minutes, batches grow from a single image as far as the time goes, and the two largest tell the rest.
"""

import gc
import time
from collections.abc import Callable
from statistics import median

import torch

from model.contract import Detector
from orchestrator.errors import describe
from orchestrator.estimate.pace import Pace, Probed
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Sized
from orchestrator.training import detectors, scoring
from orchestrator.training.trial import is_out_of_memory

TRAIN_S, SCORE_S = 3.0, 1.0  # what a model's steps and scores may take; the last of them may go beyond
ENOUGH = 20  # times of one whole batch
PHASES = (1 / 6, 1 / 2, 5 / 6)  # of the training, where steps of a model of phases are taken
SEARCH_STEPS = 5  # of a search at scoring


def probe(experiment: Experiment, sized: Sized, device: torch.device, gpus: float) -> Probed:
    """Measures one model. What goes wrong, such as a lack of memory, is in the result, not raised."""
    start, pace, error = time.perf_counter(), None, None
    try:
        pace = _pace(experiment, sized, device)
    except Exception as exception:
        error = describe(exception)
        if is_out_of_memory(exception):  # torch says how much in its second sentence, and goes on for several more
            error = f"does not fit in batches of {experiment.batch}: {'. '.join(error.split('. ')[:2])}"
    gc.collect()  # the detector
    torch.cuda.empty_cache()
    is_cuda = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if is_cuda else f"cpu x{torch.get_num_threads()}"
    return Probed(pace, error, name, gpus, time.perf_counter() - start)


def _pace(experiment: Experiment, sized: Sized, device: torch.device) -> Pace:
    batch, is_cuda = experiment.batch, device.type == "cuda"
    height, width = sized.shape_px or (sized.size_px, sized.size_px)
    if is_cuda:
        torch.cuda.reset_peak_memory_stats(device)

    def build() -> Detector:
        params = experiment.fixed(sized.model)
        return detectors.build(sized.model, params, (detectors.CHANNELS, height, width), device, sized.tile_px)

    detector = build()
    shape = (max(batch, scoring.SCORE_BATCH), height, width, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    phases = PHASES if not detector.is_ready(0.0) else PHASES[:1]

    detector.calibrate([scoring.normalise(pixels)])

    def train(images: int) -> None:
        taken = scoring.normalise(pixels[:images])
        if detector.is_training_free:
            build().calibrate([taken])
            return
        for progress in phases:
            detector.step(taken, progress)

    def score(images: int) -> None:
        detector.score(scoring.normalise(pixels[:images]))

    train_s = batch_s(_timed(train, device), batch, TRAIN_S, whole=is_cuda) / len(phases)
    searches = detector.shorten_search(SEARCH_STEPS)
    score_s = searches * batch_s(_timed(score, device), scoring.SCORE_BATCH, SCORE_S, whole=is_cuda)
    memory = torch.cuda.max_memory_allocated(device) if is_cuda else None
    return Pace(train_s / batch, score_s / scoring.SCORE_BATCH, memory)


def batch_s(timed: Callable[[int], float], batch: int, budget_s: float, whole: bool) -> float:
    """Seconds of a whole batch, where `timed(images)` tells those of a smaller or equal one, each time anew.

    The first call only warms up. From one image (or, if `whole`, from the batch) the size doubles while there is time;
    what then lacks to the batch goes at the pace of the images that the last doubling added, which is no more than the
    mean of all, and at least half of it, as short times are noisy.
    """
    images = batch if whole else 1
    spent_s, times = timed(images), {images: [timed(images)]}
    spent_s += times[images][0]
    while spent_s < budget_s and len(times.get(batch, ())) < ENOUGH:
        images = min(2 * images, batch)
        times.setdefault(images, []).append(timed(images))
        spent_s += times[images][-1]
    largest_s = median(times.pop(images))
    mean_s = largest_s / images
    before, before_s = max(times.items(), default=(0, [0.0]))
    added_s = (largest_s - median(before_s)) / (images - before)
    return largest_s + (batch - images) * min(max(added_s, mean_s / 2), mean_s)


def _timed(work: Callable[[int], None], device: torch.device) -> Callable[[int], float]:
    def timed(images: int) -> float:
        start = time.perf_counter()
        work(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    return timed
