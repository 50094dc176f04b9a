"""What a cluster offers to trials, and whether it answers at all."""

import socket

import pytest

from orchestrator.errors import InputError
from orchestrator.experiment.config import Execution
from orchestrator.ray_backend import cluster


@pytest.mark.parametrize(
    ("per_trial", "gpus", "trials"),
    [(1.0, 8, 8), (0.25, 2, 8), (0.3, 1, 3), (2.0, 5, 2), (0.5, 0, 0)],
)
def test_trials_that_fit_on_the_gpus(per_trial, gpus, trials):
    assert int(cluster._devices_fit(per_trial, gpus)) == trials


def test_a_trial_without_a_gpu_is_limited_by_cores_alone():
    assert cluster._devices_fit(0.0, 0) == float("inf")


def test_more_than_there_is_is_refused_in_one_line():
    with pytest.raises(InputError, match="--gpus-per-trial 4: 4 GPUs are needed for one job, and the cluster has 1"):
        cluster._check("--gpus-per-trial 4", 4, 1, "GPU")


def test_on_many_nodes_a_folder_is_no_output_unless_all_of_them_mount_it():
    with pytest.raises(InputError, match="--shared-output"):
        cluster._check_output(Execution(output="results"), many_nodes=True)
    cluster._check_output(Execution(output="s3://bucket/run"), many_nodes=True)
    cluster._check_output(Execution(output="/mnt/nfs", shared_output=True), many_nodes=True)
    cluster._check_output(Execution(output="results"), many_nodes=False)


def test_an_address_answers_where_something_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert cluster.answers(f"127.0.0.1:{port}")
        assert cluster.answers(f"ray://127.0.0.1:{port}")
    assert not cluster.answers(f"127.0.0.1:{port}")
    assert not cluster.answers("nonsense")
