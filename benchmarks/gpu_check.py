"""Whether this machine's accelerator runs every detector right and fast: one table, in at most 8 minutes, without Ray.

Method. Random images; each detector is built on the CPU and its state copied, so that both devices begin alike. At each
size: one step and one scoring on both, their losses' and scores' largest relative difference (float32, TF32 off); then
ms a step, the mean of `--steps` after `--warm-up`, in float32, in bfloat16 where the detector has `amp`, and as a run's
`--compile` makes it, where that works; images scored a second; the peak of the device's memory. Then, at the largest
size: a category's pictures on the device; two processes training at once, beside one; and a short sweep of generated
products by the local backend. What the time did not allow is said. Without a GPU all of it runs on the CPU, at 32 px.

    python benchmarks/gpu_check.py
"""

import argparse
import copy
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from datasets.frame import Frame
from datasets.images import load
from model.catalog import MODELS
from model.contract import Detector
from orchestrator.training.compiled import compile_steps

COLUMNS = (
    "model", "px", "step ms", "bf16", "compiled", "images/s", "scored/s", "MiB", "losses differ", "scores differ"
)  # fmt: skip
SHORT_SEARCH = {"anogan": {"latent_steps": 20}}
SWEEP = ("run", "--backend", "local", "--category", "fabric", "--model", "patch_forged", "--model", "patch_gaussian",
         "--trials", "2", "--epochs", "2")  # fmt: skip


def main() -> None:
    """Prints the table, then a line for each other check."""
    asked = parse_arguments()
    started = time.perf_counter()
    torch.backends.cudnn.benchmark = True
    is_cuda = asked.device == "cuda"
    name = torch.cuda.get_device_name() if is_cuda else f"cpu x{torch.get_num_threads()}"
    print(f"{name}, torch {torch.__version__}, batch {asked.batch}")
    print(_line(COLUMNS), flush=True)
    late = []
    for size_px in asked.size_px:
        for model in asked.model:
            if time.perf_counter() - started > asked.most_s:
                late.append(f"{model} at {size_px} px")
                continue
            print(_line(row(model, size_px, asked)), flush=True)
    if late:
        print(f"no time for {', '.join(late)}")
    for check in (pictures_on_the_device, two_at_once, sweep):
        print(check(asked), flush=True)
    print(f"all in {time.perf_counter() - started:.0f} s")


def row(model: str, size_px: int, asked: argparse.Namespace) -> tuple[str, ...]:
    """The cells of one detector at one size; what went wrong in place of a figure."""
    images = torch.rand(asked.batch, 3, size_px, size_px) * 2 - 1
    try:
        losses, scores = apart(model, images, asked)
        detector = build(model, size_px, asked.device)
        detector.calibrate([images])
        if asked.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        step_ms = step(detector, images, asked)
        scored = asked.batch / seconds(lambda: detector.score(images), asked)
        memory = f"{torch.cuda.max_memory_allocated() / 2**20:.0f}" if asked.device == "cuda" else "-"
    except (RuntimeError, ValueError) as error:  # no memory, or a size that it cannot take
        return model, str(size_px), " ".join(str(error).split())[:100]
    rate = f"{1e3 * asked.batch / step_ms:.0f}" if step_ms else "-"
    times = (step_ms, rounded(model, images, asked), compiled(model, images, asked))
    return model, str(size_px), *map(_ms, times), rate, f"{scored:.0f}", memory, losses, scores


def build(model: str, size_px: int, device: str, **hparams) -> Detector:
    """Equal on every device: its weights are drawn on the CPU."""
    kind = MODELS[model]
    torch.manual_seed(0)
    hparams = kind.HParams(**SHORT_SEARCH.get(model, {}), **hparams)
    on_cpu = kind(hparams, (3, size_px, size_px), "cpu")
    if device == "cpu":
        return on_cpu
    detector = kind(hparams, (3, size_px, size_px), device)
    detector.load_state_dict(copy.deepcopy(on_cpu.state_dict()))
    return detector


def apart(model: str, images: torch.Tensor, asked: argparse.Namespace) -> tuple[str, str]:
    """The largest relative difference to the CPU of a first step's losses, and of scores before it."""
    if asked.device == "cpu":
        return "-", "-"
    found = []
    for device in ("cpu", asked.device):
        detector = build(model, images.shape[-1], device)
        detector.calibrate([images[:4]])
        torch.manual_seed(1)
        scores = detector.score(images[:4])[0].double().cpu()
        torch.manual_seed(1)
        losses = {} if detector.is_training_free else detector.step(images[:4], 0.0)
        found.append((torch.stack([value.double().cpu() for value in losses.values()] or [torch.ones(())]), scores))
    (losses, scores), (other_losses, other_scores) = found
    return _relative(losses, other_losses), _relative(scores, other_scores)


def step(detector: Detector, images: torch.Tensor, asked: argparse.Namespace) -> float | None:
    """ms of a step; None where there is none."""
    if detector.is_training_free:
        return None
    seconds(lambda: [detector.step(images, 0.5) for _ in range(asked.warm_up)], asked)
    return 1e3 * seconds(lambda: [detector.step(images, 0.5) for _ in range(asked.steps)], asked) / asked.steps


def rounded(model: str, images: torch.Tensor, asked: argparse.Namespace) -> float | None:
    """ms of a step in bfloat16; None where the detector has no such option."""
    if "amp" not in MODELS[model].HParams.__dataclass_fields__:
        return None
    return step(build(model, images.shape[-1], asked.device, amp=True), images, asked)


def compiled(model: str, images: torch.Tensor, asked: argparse.Namespace) -> float | str | None:
    """ms of a step as --compile makes it; why not, where that fails."""
    if not asked.compile or MODELS[model].is_training_free:
        return None
    detector = build(model, images.shape[-1], asked.device)
    detector.calibrate([images])
    compile_steps(detector)
    try:
        return step(detector, images, asked)
    except Exception as error:  # torch.compile's failures are of many kinds
        return type(error).__name__


def pictures_on_the_device(asked: argparse.Namespace) -> str:
    """A category's pictures at the largest size: their memory there, and how long they take to it."""
    side = max(asked.size_px)
    images = load("synthetic", None, "fabric", Frame(side, side))
    took_s = seconds(lambda: torch.from_numpy(images.pixels).to(asked.device), asked)
    size = f"{len(images.pixels)} of {side} px, {images.pixels.nbytes / 2**20:.0f} MiB"
    return f"pictures: {size}, on the device in {took_s:.3f} s"


def two_at_once(asked: argparse.Namespace) -> str:
    """Images a second of one process that trains the paper's model, and of two at once."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        alone = pool.submit(_rate, asked).result()
        both = [job.result() for job in [pool.submit(_rate, asked) for _ in range(2)]]
    return f"two trials on it: {both[0]:.0f} + {both[1]:.0f} images/s, one alone {alone:.0f} (sa_skip_ganomaly)"


def _rate(asked: argparse.Namespace) -> float:
    side = min(asked.size_px)
    images = torch.rand(asked.batch, 3, side, side, device=asked.device) * 2 - 1
    return 1e3 * asked.batch / step(build("sa_skip_ganomaly", side, asked.device), images, asked)


def sweep(asked: argparse.Namespace) -> str:
    """A short sweep by the local backend, with what it printed last."""
    missing = [name for name in ("optuna", "pyarrow") if importlib.util.find_spec(name) is None]
    if missing:
        return f"sweep: not run, as {' and '.join(missing)} cannot be imported"
    code = "import sys; from orchestrator.cli import main; sys.exit(main())"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", code, *SWEEP, "--size-px", str(min(asked.size_px)), "--output", folder]
        done = subprocess.run(command, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""])[-1]
    return f"sweep: {'ok' if done.returncode == 0 else f'FAILED ({done.returncode})'}: {last.split(' · ')[0]}"


def seconds(work: Callable[[], object], asked: argparse.Namespace) -> float:
    """Until the device has done it."""
    synchronise = torch.cuda.synchronize if asked.device == "cuda" else lambda: None
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    return time.perf_counter() - start


def _relative(expected: torch.Tensor, found: torch.Tensor) -> str:
    return f"{((found - expected).abs() / expected.abs().clamp(min=1e-6)).max().item():.0e}"


def _ms(value: float | str | None) -> str:
    return "-" if value is None else value if isinstance(value, str) else f"{value:.1f}"


def _line(cells: tuple[str, ...]) -> str:
    return " | ".join([f"{cells[0]:<16}", f"{cells[1]:>4}", *(f"{cell:>13}" for cell in cells[2:])])


def parse_arguments() -> argparse.Namespace:
    is_cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if is_cuda else "cpu")
    parser.add_argument("--model", action="append", choices=MODELS, help="default: all")
    parser.add_argument("--size-px", action="append", type=int, help="default: 128 and 256 on a GPU, else 32")
    parser.add_argument("--batch", type=int, default=16 if is_cuda else 4)
    parser.add_argument("--steps", type=int, default=10 if is_cuda else 1)
    parser.add_argument("--warm-up", type=int, default=3 if is_cuda else 1)
    parser.add_argument("--most-s", type=float, default=360, help="begin no further row of the table after this long")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=is_cuda, help="torch.compile too")
    asked = parser.parse_args()
    asked.model = asked.model or list(MODELS)
    asked.size_px = asked.size_px or ([128, 256] if asked.device == "cuda" else [32])
    return asked


if __name__ == "__main__":
    main()
