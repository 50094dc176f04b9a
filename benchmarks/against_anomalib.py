"""Our padim, patchcore and ganomaly beside anomalib's: the same images, backbone and weights, one after the other.

Method. A detector is fitted on the published normal training images of a category, decoded once, and scores the test
part of the protocol; nothing is chosen. Each is built, fitted and timed in a process of its own, on one thread. PaDiM
and PatchCore see strides 8 and 16 of EfficientNet-Lite0 with the weights of this package, at `--size-px`; PatchCore has
a bank of as many rows on both sides, each `--bank`; what else they are is their own default. GANomaly sees
`--ganomaly-px`, and both take the same batches in the same `--epochs`. Told are CPU-seconds to fit, features included,
CPU-ms to score an image in batches of 32, the process's peak memory less its peak when it began to fit, and the AUROC
of images and of pixels. The choice of a bank is then timed alone, of the same patches: seconds, and how far the
farthest patch lies from its nearest in the bank, which greedy selection makes small.

    python benchmarks/against_anomalib.py --data-root DATA             # DATA holds mvtec_ad/; some minutes
    python benchmarks/against_anomalib.py --data-root DATA --every     # each of anomalib's models for one epoch
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from datasets.frame import Frame
from datasets.images import Images, load
from datasets.split import PROTOCOLS
from model.anomalib_names import ADAPTED
from model.catalog import KNOWN
from model.parts.coreset import greedy_coreset
from orchestrator.metrics import image, pixel
from orchestrator.training import scoring
from orchestrator.training.fit import fit
from orchestrator.training.selection import Selection, select

COLUMNS = ("category", "detector", "px", "fit, CPU-s", "CPU-ms an image", "MiB more", "image AUROC", "pixel AUROC")
CORESETS = ("category", "rows", "of patches", "ours, CPU-s", "anomalib's, CPU-s", "our radius", "anomalib's radius")
HEAVY = ("anomalib:cflow", "anomalib:glass", "anomalib:uninet", "anomalib:csflow", "anomalib:draem",
         "anomalib:efficient_ad")  # on one core: at the smallest size, and last
FEW = {"anomalib:draem": 104, "anomalib:efficient_ad": 16}  # training images of --every: minutes of a core


def main() -> None:
    asked = parse_arguments()
    if asked.one:
        what = json.loads(asked.one)
        print(json.dumps(coresets(**what) if "bank" in what else measured(**what)))
        return
    common = {"data_root": str(asked.data_root), "protocol": asked.protocol}
    head(COLUMNS)
    for category in asked.category:
        for name, params, size_px in every() if asked.every else pairs(asked):
            if asked.only and name not in asked.only:
                continue
            told = ", ".join([name, *(f"{key}={value}" for key, value in params.items() if key != "levels")])
            row(category, told, str(size_px), what=common | {
                "category": category, "name": name, "params": params, "size_px": size_px,
                "epochs": 1 if asked.every else asked.epochs, "seed": asked.seed,
                "most": FEW.get(name) if asked.every else None})  # fmt: skip
    if not (asked.every or asked.only):
        print()
        head(CORESETS)
        for category in asked.category:
            for bank in asked.bank:
                row(category, str(bank), what=common | {"category": category, "size_px": asked.size_px, "bank": bank})


def head(columns: tuple[str, ...]) -> None:
    print("| " + " | ".join(columns) + " |\n" + "|" + "---|" * len(columns), flush=True)


def row(*first: str, what: dict) -> None:
    """Prints a line of a table, measured in a process of its own; where that fails, the last line it said."""
    command = [sys.executable, "-W", "ignore", __file__, "--data-root", what["data_root"], "--one", json.dumps(what)]
    run = subprocess.run(command, capture_output=True, text=True)
    cells = json.loads(run.stdout) if run.returncode == 0 else [run.stderr.strip().splitlines()[-1]]
    print("| " + " | ".join([*first, *cells]) + " |", flush=True)


def pairs(asked: argparse.Namespace) -> list[tuple[str, dict, int]]:
    """Ours and theirs, detector by detector: name, hyper-parameters, size."""
    levels = {"levels": "8+16"}
    return [
        ("padim", levels, asked.size_px),
        ("anomalib:padim", levels, asked.size_px),
        *((name, levels | {"bank": bank}, asked.size_px)
          for bank in asked.bank for name in ("patchcore", "anomalib:patchcore")),
        ("ganomaly", {}, asked.ganomaly_px),
        ("anomalib:ganomaly", {}, asked.ganomaly_px),
    ]  # fmt: skip


def every() -> list[tuple[str, dict, int]]:
    """Each of anomalib's models, on an untrained backbone where its weights do not come with this package."""
    names = [name for name in ADAPTED if name not in HEAVY] + list(HEAVY)
    quick = {"anomalib:patchcore": {"coreset_sampling_ratio": 0.01}}
    untrained = {name: {"pre_trained": False} for name in names if ADAPTED[name].needs}
    sizes = {name: max(64 if name in HEAVY else 128, ADAPTED[name].least_px) for name in names}
    return [(name, quick.get(name, {}) | untrained.get(name, {}), sizes[name]) for name in names]


def measured(data_root: str, protocol: str, category: str, name: str, params: dict, size_px: int,
             epochs: int, seed: int, most: int | None) -> list[str]:
    """CPU-seconds to fit on `most` images, CPU-ms an image, MiB, AUROC of images and of pixels."""
    images, data = parts(data_root, protocol, category, size_px)
    train = data.train[:most]
    test = scoring.to_device(images.pixels[data.split.test], "cpu")
    if name == "anomalib:patchcore" and "bank" in params:
        patches = len(train) * (size_px // 8) ** 2
        params = {"levels": params["levels"], "coreset_sampling_ratio": (params["bank"] + 0.5) / patches}
    torch.manual_seed(seed)
    detector = KNOWN[name](KNOWN[name].HParams(**params), (3, size_px, size_px), "cpu")
    held, start = peak_mib(), time.process_time()
    for _ in fit(detector, data.pixels, train, epochs=epochs, batch=16, seed=seed):
        pass
    detector.calibrate(scoring.normals(data.pixels, train))
    fitted = time.process_time()
    scores, maps = scoring.score(detector, test)
    scored = time.process_time()
    labels = images.labels[data.split.test]
    masks = [images.masks[index] for index in data.split.test]
    own = [images.frame.out_of(maps[place], images.native_sizes[index], masks[place].shape)
           for place, index in enumerate(data.split.test)]
    pixels = "-" if np.ptp(maps[0]) == 0 else f"{pixel.pixel_auroc(masks, own):.3f}"
    return [f"{fitted - start:.1f}", f"{1e3 * (scored - fitted) / len(test):.1f}", f"{peak_mib() - held:.0f}",
            f"{image.auroc(labels, scores):.3f}", pixels]  # fmt: skip


def coresets(data_root: str, protocol: str, category: str, size_px: int, bank: int) -> list[str]:
    """How many patches there are; CPU-seconds of our choice and of anomalib's, and the radius of each."""
    from anomalib.models.components import KCenterGreedy

    _, data = parts(data_root, protocol, category, size_px)
    torch.manual_seed(0)
    detector = KNOWN["patchcore"](KNOWN["patchcore"].HParams(levels="8+16"), (3, size_px, size_px), "cpu")
    patches = torch.cat([detector._patches(batch).flatten(0, 1)
                         for batch in scoring.normals(data.pixels, data.train)])  # fmt: skip
    start = time.process_time()
    ours = patches[greedy_coreset(patches, bank, torch.Generator().manual_seed(0))]
    chosen = time.process_time()
    theirs = KCenterGreedy(patches, (bank + 0.5) / len(patches)).sample_coreset()
    ended = time.process_time()
    return [str(len(patches)), f"{chosen - start:.1f}", f"{ended - chosen:.1f}",
            f"{radius(patches, ours):.3f}", f"{radius(patches, theirs):.3f}"]  # fmt: skip


def radius(patches: torch.Tensor, bank: torch.Tensor) -> float:
    """Of all patches (P, F), the largest distance to the nearest row of the bank (K, F)."""
    return max(float(torch.cdist(some, bank).amin(dim=1).max()) for some in patches.split(1024))


def parts(data_root: str, protocol: str, category: str, size_px: int) -> tuple[Images, Selection]:
    """The images of a category of MVTec AD, and their parts; on one thread from here."""
    torch.set_num_threads(1)
    images = load("mvtec_ad", str(Path(data_root) / "mvtec_ad"), category, Frame(size_px, size_px))
    return images, select(images, protocol, 0, torch.device("cpu"))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR")
    parser.add_argument("--category", action="append", metavar="NAME", help="(default: bottle, transistor)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="holdout", help="(default: holdout)")
    parser.add_argument("--size-px", type=int, default=128, metavar="N", help="of padim and patchcore (default: 128)")
    parser.add_argument("--bank", type=int, action="append", metavar="N", help="of patchcore (default: 1000, 5350)")
    parser.add_argument("--ganomaly-px", type=int, default=32, metavar="N", help="(default: 32)")
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="of ganomaly (default: 20)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of weights and batches (default: 0)")
    parser.add_argument("--only", action="append", metavar="NAME", help="one of the detectors (default: all)")
    parser.add_argument("--every", action="store_true", help="every model of anomalib that runs here")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.category = asked.category or ["bottle", "transistor"]
    asked.bank = asked.bank or [1000, 5350]
    return asked


if __name__ == "__main__":
    main()
