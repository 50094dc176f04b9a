"""What each detector costs: ms a training step, images a second scored; and AnoGAN's search for many codes at once
against one by one.

Method. Random images on the device named; each detector takes `--warm-up` steps, then `--steps` steps of each of its
phases are timed and their mean counts (f-AnoGAN trains its generator in every fifth step only). Scoring is timed on one
batch, after one image. AnoGAN's search is timed at `--latent-steps` steps, on all images of a batch together and on
each by itself, in the same run; it grows in proportion to the steps. Forging's share is its time by itself beside that
of a whole step of patch_forged. Torch's threads are as `--threads` says.

    python benchmarks/step_times.py                            # every detector, 32 px, batch 16, one CPU thread
    python benchmarks/step_times.py --device cuda --size-px 256 --batch 32 --amp
"""

import argparse
import time
from collections.abc import Callable

import torch

from model.catalog import MODELS
from model.contract import Detector
from model.parts.forging import forge

PHASES = (0.0, 0.99)  # progress at which a step is timed; detectors of one phase do the same at both


def main() -> None:
    asked = parse_arguments()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    images = torch.rand(asked.batch, 3, asked.size_px, asked.size_px, device=asked.device) * 2 - 1
    where = f"{asked.device}, {asked.threads} threads, torch {torch.__version__}"
    print(f"{where}: {asked.size_px} px, batch {asked.batch}")
    print(f"{'':<18}{'first phase':>14}{'last phase':>14}{'scored':>16}")
    for name in asked.model or MODELS:
        detector = build(name, asked)
        steps = [f"{1e3 * step_s(detector, images, progress, asked):.1f} ms" for progress in PHASES]
        detector.score(images[:1])
        rate = f"{asked.batch / seconds(lambda d=detector: d.score(images), asked.device):.1f} images/s"
        print(f"{name:<18}{steps[0]:>14}{steps[1]:>14}{rate:>16}", flush=True)
    search(build("anogan", asked), images, asked)
    forging(build("patch_forged", asked), images, asked)


def forging(detector: Detector, images: torch.Tensor, asked: argparse.Namespace) -> None:
    detector.calibrate([images])
    whole_s = step_s(detector, images, 0.5, asked)
    [forge(images) for _ in range(asked.warm_up)]
    forging_s = seconds(lambda: [forge(images) for _ in range(asked.steps)], asked.device) / asked.steps
    print(
        f"forging: {1e3 * forging_s:.1f} of the {1e3 * whole_s:.1f} ms of a step of patch_forged; "
        f"{asked.batch / whole_s:.0f} images/s with it, {asked.batch / (whole_s - forging_s):.0f} without"
    )


def search(detector: Detector, images: torch.Tensor, asked: argparse.Namespace) -> None:
    together_s = seconds(lambda: detector.score(images), asked.device)
    alone_s = seconds(lambda: [detector.score(image[None]) for image in images], asked.device)
    print(
        f"AnoGAN's search, {asked.latent_steps} steps: {asked.batch / together_s:.2f} images/s together, "
        f"{asked.batch / alone_s:.2f} one by one: {alone_s / together_s:.1f} times"
    )


def build(name: str, asked: argparse.Namespace) -> Detector:
    model = MODELS[name]
    known = model.HParams.__dataclass_fields__
    options = {"latent_steps": asked.latent_steps, "amp": asked.amp}
    hparams = model.HParams(**{key: value for key, value in options.items() if key in known})
    return model(hparams, (3, asked.size_px, asked.size_px), asked.device)


def step_s(detector: Detector, images: torch.Tensor, progress: float, asked: argparse.Namespace) -> float:
    for _ in range(asked.warm_up):
        detector.step(images, progress)
    whole_s = seconds(lambda: [detector.step(images, progress) for _ in range(asked.steps)], asked.device)
    return whole_s / asked.steps


def seconds(work: Callable[[], object], device: str) -> float:
    synchronise = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", choices=MODELS, help="default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size-px", type=int, default=32)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--latent-steps", type=int, default=50)
    parser.add_argument("--amp", action="store_true", help="bfloat16 autocast where a detector offers it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
