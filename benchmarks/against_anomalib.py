"""Our padim, patchcore and ganomaly beside anomalib's: the same images, backbone and weights, one after the other.

Method. Protocol paper: a detector is fitted on the published normal training images of a category, decoded once, and
scores its test part. Each is built, fitted and timed in a process of its own, on one thread. PaDiM and PatchCore see
strides 8 and 16 of EfficientNet-Lite0 with the weights of this package, at `--size-px`; what else they are is their own
default: our bank has 1,000 rows, anomalib's 10 % of all patches (`--coreset` says another share). GANomaly sees
`--ganomaly-px`, and both take the same batches in the same `--epochs`. Told are seconds to fit, features included, ms
to score an image in batches of 32, the process's peak memory less what it held when it began to fit, and the AUROC
of images and of pixels.

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
from datasets.images import load
from model.anomalib_names import ADAPTED
from model.catalog import KNOWN
from orchestrator.metrics import image, pixel
from orchestrator.training import scoring
from orchestrator.training.fit import fit
from orchestrator.training.selection import select

COLUMNS = ("category", "detector", "px", "fit, s", "ms an image", "MiB more", "image AUROC", "pixel AUROC")
HEAVY = ("anomalib:cflow", "anomalib:glass", "anomalib:uninet", "anomalib:csflow", "anomalib:draem",
         "anomalib:efficient_ad")  # on one core: at the smallest size, and last


def main() -> None:
    asked = parse_arguments()
    if asked.one:
        print(json.dumps(measured(**json.loads(asked.one))))
        return
    print("| " + " | ".join(COLUMNS) + " |\n" + "|" + "---|" * len(COLUMNS), flush=True)
    for category in asked.category or ("bottle", "transistor"):
        for name, params, size_px in every() if asked.every else pairs(asked):
            what = {"data_root": str(asked.data_root), "category": category, "name": name, "params": params,
                    "size_px": size_px, "epochs": 1 if asked.every else asked.epochs}  # fmt: skip
            command = [sys.executable, "-W", "ignore", __file__, "--data-root", str(asked.data_root), "--one"]
            run = subprocess.run([*command, json.dumps(what)], capture_output=True, text=True)
            cells = json.loads(run.stdout) if run.returncode == 0 else [run.stderr.strip().splitlines()[-1]]
            told = name + "".join(f", {key}={value}" for key, value in params.items() if key not in ("levels",))
            print("| " + " | ".join([category, told, str(size_px), *cells]) + " |", flush=True)


def pairs(asked: argparse.Namespace) -> list[tuple[str, dict, int]]:
    """Ours and theirs, detector by detector: name, hyper-parameters, size."""
    levels = {"levels": "8+16"}
    return [
        ("padim", levels, asked.size_px),
        ("anomalib:padim", levels, asked.size_px),
        ("patchcore", levels, asked.size_px),
        *(("anomalib:patchcore", levels | {"coreset_sampling_ratio": share}, asked.size_px) for share in asked.coreset),
        ("ganomaly", {}, asked.ganomaly_px),
        ("anomalib:ganomaly", {}, asked.ganomaly_px),
    ]


def every() -> list[tuple[str, dict, int]]:
    """Each of anomalib's models, on an untrained backbone where its weights do not come with this package."""
    names = [name for name in ADAPTED if name not in HEAVY] + list(HEAVY)
    quick = {"anomalib:patchcore": {"coreset_sampling_ratio": 0.01}}
    untrained = {name: {"pre_trained": False} for name in names if ADAPTED[name].needs}
    sizes = {name: max(64 if name in HEAVY else 128, ADAPTED[name].least_px) for name in names}
    return [(name, quick.get(name, {}) | untrained.get(name, {}), sizes[name]) for name in names]


def measured(data_root: str, category: str, name: str, params: dict, size_px: int, epochs: int) -> list[str]:
    """Seconds to fit, ms an image, MiB, AUROC of images and of pixels."""
    torch.set_num_threads(1)
    images = load("mvtec_ad", str(Path(data_root) / "mvtec_ad"), category, Frame(size_px, size_px))
    data = select(images, "paper", 0, torch.device("cpu"))
    test = scoring.to_device(images.pixels[data.split.test], "cpu")
    torch.manual_seed(0)
    detector = KNOWN[name](KNOWN[name].HParams(**params), (3, size_px, size_px), "cpu")
    held, start = peak_mib(), time.perf_counter()
    for _ in fit(detector, data.pixels, data.train, epochs=epochs, batch=16, seed=0):
        pass
    detector.calibrate(scoring.normals(data.pixels, data.train))
    fitted = time.perf_counter()
    scores, maps = scoring.score(detector, test)
    scored = time.perf_counter()
    labels = images.labels[data.split.test]
    masks = [images.masks[index] for index in data.split.test]
    own = [images.frame.out_of(maps[place], images.native_sizes[index], masks[place].shape)
           for place, index in enumerate(data.split.test)]
    pixels = "-" if np.ptp(maps[0]) == 0 else f"{pixel.pixel_auroc(masks, own):.3f}"
    return [f"{fitted - start:.1f}", f"{1e3 * (scored - fitted) / len(test):.1f}", f"{peak_mib() - held:.0f}",
            f"{image.auroc(labels, scores):.3f}", pixels]  # fmt: skip


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR")
    parser.add_argument("--category", action="append", metavar="NAME", help="(default: bottle, transistor)")
    parser.add_argument("--size-px", type=int, default=128, metavar="N", help="of padim and patchcore (default: 128)")
    parser.add_argument("--ganomaly-px", type=int, default=32, metavar="N", help="(default: 32)")
    parser.add_argument("--epochs", type=int, default=20, metavar="N", help="of ganomaly (default: 20)")
    parser.add_argument("--coreset", type=float, action="append", metavar="X", help="anomalib's (default: 0.1)")
    parser.add_argument("--every", action="store_true", help="every model of anomalib that runs here")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.coreset = asked.coreset or [0.1]
    return asked


if __name__ == "__main__":
    main()
