"""`doctor`: whether machine, cluster and data are fit for a run."""

import os
import platform

import torch

from datasets.sample import DataError
from orchestrator.cli import arguments
from orchestrator.errors import InputError
from orchestrator.experiment import auto_protocol, preflight, reading
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Sized, jobs
from orchestrator.results.output import Output
from orchestrator.training import detectors
from orchestrator.words import printable


def main(asked) -> int:
    """Checks with a run's own options. Returns 2 if anything is wrong."""
    return _check(*reading.load(arguments.given(asked), asked.config))


def _check(experiment: Experiment, execution: Execution) -> int:
    """Checks the machine, the cluster and the data, one line each. Returns 2 if anything is wrong."""
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    checks = {
        "machine": lambda: f"Python {platform.python_version()}, {os.cpu_count()} cores, {memory_gib:.0f} GiB",
        "torch": lambda: f"{torch.__version__}, GPUs: {', '.join(gpus) or 'none'}",
        "packages": preflight.check_packages,
        "models": lambda: _models_line(experiment),
        "output": lambda: f"{Output(execution.output).create().root} can be written",
        "data": lambda: _data_line(experiment, execution),
        "cluster": lambda: _cluster_line(execution),
    }
    wrong = 0
    for name, check in checks.items():
        try:
            print(printable(f"ok     {name}: {check()}"))
        except (InputError, DataError) as error:
            wrong = 2
            print(printable(f"WRONG  {name}: {error}"))
    return wrong


def _models_line(experiment: Experiment) -> str:
    squares = [Sized(model, size_px) for size_px in experiment.size_px for model in experiment.model]
    detectors.check(experiment, squares)
    return f"{', '.join(experiment.model)} at {', '.join(map(str, experiment.size_px))} px"


def _data_line(experiment: Experiment, execution: Execution) -> str:
    categories = preflight.survey(experiment, execution.data_root)
    experiment, why = auto_protocol.resolved(experiment, categories)
    preflight.check_names(jobs(experiment, categories, workers=1))
    found = f"{len(categories)} categories, {sum(category.images for category in categories)} images"
    return f"{found}; {why}" if why else found


def _cluster_line(execution: Execution) -> str:
    if execution.backend == "local":
        return "not needed by --backend local"
    from orchestrator.ray_backend.backend import describe

    return describe(execution)
