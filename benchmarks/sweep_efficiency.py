"""How much of the machine a sweep spends on training: this project's sweep beside the textbook pattern, in one run.

Method. Categories of unequal size are drawn (1 : 2 : 3 times the images, so trials of unequal length), and a probe
measures what an epoch of the paper's model costs here, from which the epochs follow that make a mean trial last the
seconds asked for.

sweep:    `defectsweep run` on a Ray cluster of this machine, every slot one core; random search without early
          stopping, so that the number of trials is fixed. Efficiency = sum of the trials' own seconds / (slots x
          seconds from the first trial's start to the last one's end), the tail included. Overhead a trial = the
          rest of those slot-seconds / trials. The refits come after that window and are not in it.
textbook: the pattern of Ray's documentation: a Tuner per category, one after the other, each trial a TorchTrainer
          with one worker, OptunaSearch; the same categories, model, epochs and number of slots, fewer trials
          because they are slow. Trials an hour are counted over its own wall time, and over the sweep's own whole
          wall time from the command to the last row of its search.

python benchmarks/sweep_efficiency.py [--trial-s 2 --trial-s 20] [--trials 20] [--textbook-trials 2]
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import torch

from datasets.frame import Frame
from datasets.images import load
from datasets.readers.synthetic import write_files
from orchestrator import CHECKOUT
from orchestrator.experiment import plan
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import jobs
from orchestrator.experiment.preflight import survey
from orchestrator.results.output import Output
from orchestrator.results.rows import TrialRow
from orchestrator.training import trial
from orchestrator.training.selection import Selections

SIZE_PX = 32
SHARES = (1, 2, 3)  # of the images, by category
UNIT_IMAGES = 16
FEWEST_TRIALS = 4
MODEL = "sa_skip_ganomaly"


def finish(generator):
    """Runs a generator to its end; returns what it returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="sweep-efficiency-", ignore_cleanup_errors=True) as folder:
        root = Path(folder, "data")
        draw_categories(root)
        image_s = seconds_per_image(root)
        print(f"probe: {image_s * 1e3:.1f} ms an image and epoch, one core, {SIZE_PX} px, {MODEL}", flush=True)
        for trial_s in arguments.trial_s:
            epochs = max(1, round(trial_s / (image_s * UNIT_IMAGES * sum(SHARES) / len(SHARES))))
            trials = max(FEWEST_TRIALS, round(arguments.trials * min(arguments.trial_s) / trial_s))
            mine = run_sweep(root, Path(folder, f"out-{trial_s:g}"), epochs, trials, arguments.slots)
            print(f"\n{trial_s:g}-second trials ({epochs} epochs), {arguments.slots} slots", flush=True)
            for name, value in mine.items():
                print(f"  sweep     {name:34s} {value}", flush=True)
            if trial_s == min(arguments.trial_s) and arguments.textbook_trials:
                book = run_textbook(root, epochs, arguments.textbook_trials, arguments.slots)
                print(f"  textbook  {'trials an hour':34s} {book:.0f}")
                ratio = mine["trials an hour, start-up included"] / book
                print(f"  sweep / textbook, trials an hour: {ratio:.1f}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trial-s", type=float, action="append", help="mean seconds; repeatable (default: 2, 20)")
    parser.add_argument("--trials", type=int, default=20, help="a category, fewer if longer (default: 20)")
    parser.add_argument("--textbook-trials", type=int, default=2, help="of the textbook's categories (default: 2)")
    parser.add_argument("--slots", type=int, default=2, help="trials at once (default: 2)")
    arguments = parser.parse_args()
    arguments.trial_s = arguments.trial_s or [2.0, 20.0]
    return arguments


def draw_categories(root: Path) -> None:
    """The synthetic categories as files, of which each keeps its share of training images."""
    write_files(root, SIZE_PX)
    categories = sorted(path for path in root.iterdir() if path.is_dir())
    for share, category in zip(SHARES, categories, strict=True):
        for surplus in sorted((category / "train" / "good").iterdir())[share * UNIT_IMAGES :]:
            surplus.unlink()


def experiment(epochs: int, trials: int) -> Experiment:
    return Experiment(
        dataset=("folder",), model=(MODEL,), size_px=(SIZE_PX,), epochs=epochs, trials=trials, batch=16,
        sampler="random", scheduler="none", parallel_trials=1,
    )  # fmt: skip


def seconds_per_image(root: Path) -> float:
    """Seconds of a trial for each image and epoch, scoring of the validation part included; after a warm-up."""
    categories = survey(experiment(1, 1), str(root))
    found = []
    for epochs in (1, 6):
        job = jobs(experiment(epochs, 1), categories, 1)[1]
        images = load("folder", str(root), job.category.name, Frame(SIZE_PX, SIZE_PX))
        row = finish(trial.train(plan.trial_task(job, 0, {}, 1), images, Selections(torch.device("cpu")), 0.0))
        found.append(row.wall_s / (epochs * row.train_images))
    return found[-1]


def run_sweep(root: Path, output: Path, epochs: int, trials: int, slots: int) -> dict[str, float]:
    start = time.time()
    command = [
        sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), "--address", "local",
        "--dataset", "folder", "--data-root", str(root), "--model", MODEL, "--output", str(output),
        "--size-px", str(SIZE_PX), "--epochs", str(epochs), "--trials", str(trials), "--sampler", "random",
        "--scheduler", "none", "--parallel-trials", "1", "--max-concurrent", str(slots),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    rows = Output(str(output)).trials()
    begin, end = min(map(began, rows)), max(map(ended, rows))
    work_s = sum(row.wall_s for row in rows)
    wall_s = end - begin
    return {
        "trials": len(rows),
        "mean trial, s": round(work_s / len(rows), 2),
        "from command to first trial, s": round(begin - start, 1),
        "efficiency, workers up": round(work_s / (slots * wall_s), 3),
        "overhead a trial, s": round((slots * wall_s - work_s) / len(rows), 2),
        "trials an hour, workers up": round(len(rows) / wall_s * 3600),
        "trials an hour, start-up included": round(len(rows) / (end - start) * 3600),
    }


def began(row: TrialRow) -> float:
    return datetime.fromisoformat(row.started_at).timestamp()


def ended(row: TrialRow) -> float:
    return datetime.fromisoformat(row.finished_at).timestamp()


def run_textbook(root: Path, epochs: int, trials: int, slots: int) -> float:
    """Trials an hour of a Tuner per category with a TorchTrainer per trial."""
    import ray
    from ray import train, tune
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback
    from ray.tune.search.optuna import OptunaSearch

    def train_worker(config: dict) -> None:
        torch.set_num_threads(1)
        images = load("folder", str(root), config["job"].category.name, Frame(SIZE_PX, SIZE_PX))
        params = tuple((name, config[name]) for name in ("lr", "w_adv", "w_con", "w_lat"))
        task = plan.TrialTask(config["job"], 0, None, params, (), 0)
        for progress in trial.train(task, images, Selections(torch.device("cpu")), 0.0):
            train.report({"val_auc": progress.val_auc})

    def train_driver(config: dict) -> None:
        TorchTrainer(
            train_worker,
            train_loop_config=config,
            scaling_config=train.ScalingConfig(num_workers=1),
            run_config=train.RunConfig(
                name=tune.get_context().get_trial_id(), storage_path=config["storage"], callbacks=[TuneReportCallback()]
            ),
        ).fit()

    logging.getLogger("ray").setLevel(logging.ERROR)
    todo = jobs(experiment(epochs, trials), survey(experiment(epochs, trials), str(root)), 1)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as storage:
        start = time.monotonic()
        ray.init(address="local", num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        for job in todo:
            space = {
                "lr": tune.loguniform(5e-5, 2e-3),
                **{name: tune.loguniform(0.1, 10) for name in ("w_adv", "w_con", "w_lat")},
                "job": job,
                "storage": storage,
            }
            tune.Tuner(
                tune.with_resources(train_driver, {"CPU": 0.01}),
                param_space=space,
                tune_config=tune.TuneConfig(
                    search_alg=OptunaSearch(metric="val_auc", mode="max"),
                    num_samples=trials,
                    max_concurrent_trials=slots,
                ),
                run_config=tune.RunConfig(name=job.category.name, storage_path=storage, verbose=0),
            ).fit()
        wall_s = time.monotonic() - start
        ray.shutdown()
    return trials * len(jobs) / wall_s * 3600


if __name__ == "__main__":
    main()
