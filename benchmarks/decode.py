"""Decoding once against decoding in every trial: images a second that reach a trial.

Method. For each category: `datasets.images.load` is timed with threads (as in a run) and, beside it, with as many
processes doing the same work on the same files; then a trial that reads every image once in each of its epochs is
timed twice, its share of the decoding included: from the decoded array (decode once, then `trials` x `epochs` passes
in batches), and the usual way (each trial opens and decodes its files anew, in each epoch, with the same threads).
A pass touches every byte of every batch (a sum). All files are read once before, so the disk does not decide. The least
of `--repeats` times counts for each. Reading arrays costs so little that the ratio nears trials x epochs.

    python benchmarks/decode.py                                    # 60 PNG files of 900 px, generated
    python benchmarks/decode.py --dataset mvtec_ad --data-root DIR --category bottle
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.catalog import find_dataset
from datasets.frame import frame_of
from datasets.images import Images, load
from datasets.picture import Picture
from datasets.readers.synthetic import draw
from datasets.sample import Sample

GENERATED_SIZE_PX = 900
GENERATED_IMAGES = 60
BATCH_IMAGES = 16


def main() -> None:
    asked = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        if asked.data_root is None:
            write_generated(Path(temporary))
        root = asked.data_root or temporary
        categories = asked.category or find_dataset(asked.dataset).find_categories(root)
        print(f"{asked.workers} workers, to {asked.size_px} px, {asked.trials} trials of {asked.epochs} epochs")
        print(f"{'images/s':<24}{'threads':>9}{'processes':>11}{'decode once':>13}{'every trial':>13}{'ratio':>8}")
        for category in categories:
            print_row(category, measure(asked, root, category))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="mvtec_ad")
    parser.add_argument("--data-root", help="default: files generated in a temporary folder")
    parser.add_argument("--category", action="append", help="default: all found")
    parser.add_argument("--size-px", type=int, default=64)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2)
    return parser.parse_args()


def write_generated(root: Path) -> None:
    """One category of MVTec AD's layout and native size, of enlarged drawings."""
    for index in range(GENERATED_IMAGES):
        path = root / f"washer/train/good/{index:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        drawing = Image.fromarray(draw(f"washer/train/good/{index:03}.png", 64)[0])
        drawing.resize((GENERATED_SIZE_PX, GENERATED_SIZE_PX)).save(path)


def measure(asked: argparse.Namespace, root: str, category: str) -> dict[str, float]:
    """Images a second of each way, by name."""
    source = find_dataset(asked.dataset)
    samples = source.scan(root, category)
    read = partial(read_one, asked.dataset, source.home(root), asked.size_px)
    with ThreadPoolExecutor(asked.workers) as pool:
        list(pool.map(read, samples))  # warms the disk's cache and PIL

    passes = asked.trials * asked.epochs
    decode = partial(load, asked.dataset, root, category, frame_of("letterbox", asked.size_px), workers=asked.workers)
    once_s, images = least_seconds(decode, asked.repeats)
    processes_s, _ = least_seconds(partial(decode_in_processes, read, samples, asked.workers), asked.repeats)
    arrays_s, _ = least_seconds(partial(read_arrays, images, passes), asked.repeats)
    every_s, _ = least_seconds(partial(decode_every_pass, read, samples, asked.workers, asked.epochs), 1)
    return {
        "threads": len(samples) / once_s,
        "processes": len(samples) / processes_s,
        "decode once": len(samples) * passes / (once_s + arrays_s),
        "every trial": len(samples) * asked.epochs / every_s,
    }


def read_one(dataset: str, home: Path, size_px: int, sample: Sample) -> Picture:
    return find_dataset(dataset).read(home, sample, frame_of("letterbox", size_px))


def decode_in_processes(read: Callable[[Sample], Picture], samples: list[Sample], workers: int) -> np.ndarray:
    with ProcessPoolExecutor(workers) as pool:
        return np.stack([picture.pixels for picture in pool.map(read, samples, chunksize=8)])


def read_arrays(images: Images, passes: int) -> int:
    """Every image in batches of a shuffled order, `passes` times."""
    total = 0
    for seed in range(passes):
        order = np.random.default_rng(seed).permutation(len(images.samples))
        for start in range(0, len(order), BATCH_IMAGES):
            total += int(images.pixels[order[start : start + BATCH_IMAGES]].sum(dtype=np.int64))
    return total


def decode_every_pass(read: Callable[[Sample], Picture], samples: list[Sample], workers: int, epochs: int) -> int:
    """One trial's epochs, each of which decodes all its files."""
    total = 0
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(epochs):
            total += sum(int(picture.pixels.sum(dtype=np.int64)) for picture in pool.map(read, samples))
    return total


def least_seconds(function: Callable[[], object], repeats: int) -> tuple[float, object]:
    """(the least of the times that a call took, the last call's result)"""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return min(times), result


def print_row(category: str, images_per_s: dict[str, float]) -> None:
    ratio = images_per_s["decode once"] / images_per_s["every trial"]
    cells = "".join(f"{images_per_s[name]:>{width},.0f}" for name, width in COLUMNS)
    print(f"{category:<24}{cells}{ratio:>7.0f}x", flush=True)


COLUMNS = (("threads", 9), ("processes", 11), ("decode once", 13), ("every trial", 13))


if __name__ == "__main__":
    main()
