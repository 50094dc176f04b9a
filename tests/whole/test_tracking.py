"""`run --track` and `track` with a real MLflow server, which is killed in the middle of the sweep and started again."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from orchestrator.results.output import Output

mlflow = pytest.importorskip("mlflow")
CLI = [sys.executable, "-c", "import sys; from orchestrator.cli import main; sys.exit(main())"]


class MlflowServer:
    """A server on one port, whose runs and files outlive it."""

    def __init__(self, folder: Path):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.folder, self.url, self.process = folder, f"http://127.0.0.1:{self.port}", None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1",
                   "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db",
                   "--artifacts-destination", str(self.folder / "artefacts")]  # fmt: skip
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=log, stderr=log,
                                            cwd=self.folder, start_new_session=True)  # fmt: skip
        while self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/health"):
                    return
            except OSError:
                time.sleep(0.2)
        pytest.fail((self.folder / "log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def runs(self) -> dict[str, object]:
        """By name: each once."""
        client = mlflow.MlflowClient(self.url)
        (experiment,) = (one for one in client.search_experiments() if one.name == "defectsweep/out")
        runs = client.search_runs([experiment.experiment_id])
        assert len({run.info.run_name for run in runs}) == len(runs)
        return {run.info.run_name: run for run in runs}

    def files(self, run) -> set[str]:
        client = mlflow.MlflowClient(self.url)
        folders = [file.path for file in client.list_artifacts(run.info.run_id) if file.is_dir]
        return {file.path for folder in folders for file in client.list_artifacts(run.info.run_id, folder)}


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    server = MlflowServer(folder)
    server.start()
    yield server
    server.kill()


def test_a_server_that_was_killed_in_the_middle_has_everything_once_in_the_end(server, few_images, tmp_path, checkout):
    out, uri = tmp_path / "out", f"mlflow:{server.url}"
    sweep = [*CLI, "run", "--backend", "local", "--dataset", "folder", "--data-root", str(few_images),
             "--category", "fabric", "--model", "mean_image", "--model", "patch_gaussian", "--size-px", "32",
             "--trials", "2", "--epochs", "2", "--output", str(out), "--track", uri]  # fmt: skip
    said = []
    with subprocess.Popen(sweep, cwd=checkout, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            said.append(line)
            if line.startswith("done "):
                server.kill()
    assert running.returncode == 0, said
    assert any("not wholly at" in line for line in said), said
    assert f"  defectsweep track {out} {uri}\n" in said

    track = [*CLI, "track", str(out), uri]
    down = subprocess.run(track, cwd=checkout, capture_output=True, text=True)
    assert (down.returncode, len(down.stderr.splitlines())) == (1, 1)
    assert "does not answer: Connection refused" in down.stderr
    server.start()
    assert subprocess.run(track, cwd=checkout).returncode == 0

    output, runs = Output(str(out)), server.runs()
    jobs, trials = output.jobs(), output.trials()
    assert len(jobs) == 2 and runs.keys() == {row.job_id for row in jobs} | {row.trial_id for row in trials}
    for row in trials:
        run = runs[row.trial_id]
        assert run.data.tags["mlflow.parentRunId"] == runs[row.job_id].info.run_id
        points = mlflow.MlflowClient(server.url).get_metric_history(run.info.run_id, "val_auc")
        assert [(point.step, point.value) for point in points] == list(enumerate(row.curve, start=1))
    for row in jobs:
        run = runs[row.job_id]
        assert (run.info.status, run.data.metrics["test_auc"]) == ("FINISHED", row.test_auc)
        assert server.files(run) == {"checkpoint/weights.pt", "checkpoint/config.json", "checkpoint/MODEL_CARD.md",
                                     "onnx/detector.onnx"}  # fmt: skip

    again = subprocess.run(track, cwd=checkout, capture_output=True, text=True)
    assert again.stdout.startswith("0 rows and 0 ONNX programs sent")
    assert {name: str(run) for name, run in server.runs().items()} == {name: str(run) for name, run in runs.items()}
