"""`serve` as a process, on a real Ray Serve: answers as `predict` has them, one clear error for each mistake, and none
lost where a replica is killed."""

import base64
import contextlib
import http.client
import io
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.deploy import load
from orchestrator.deploy.door import LARGEST_BYTES
from orchestrator.results.output import Output

TOKEN = "s3cret"
CLIENTS, PICTURES = 8, 60  # of each client


@pytest.fixture(scope="module")
def output(make_checkpoint, tmp_path_factory) -> Output:
    """Two categories, each of its own detector."""
    output = Output(str(tmp_path_factory.mktemp("results")))
    for category, model in (("bottle", "mean_image"), ("cap", "patch_gaussian")):
        row, files = make_checkpoint(model, job={"category": category}, val_auc=0.9)
        output.write_checkpoint(row.job_id, files)
        output.write_job(row)
    return output


@pytest.fixture(scope="module")
def service(output, checkout):
    """A running one, and its port."""
    script = "import sys; from orchestrator.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(checkout), "DEFECTSWEEP_TOKEN": TOKEN}
    process = subprocess.Popen(
        [sys.executable, "-c", script, "serve", "--output", output.root, "--port", "0"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    line = ""
    while not line.startswith("serving at "):
        line = process.stdout.readline()
        assert line, process.stderr.read()
    yield process, int(line.split()[2].rstrip(":").rpartition(":")[2])
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture
def ask(service):
    """Sends a request; returns status and answer."""
    _, port = service

    def ask(method: str, path: str, body: bytes = b"", token: str = TOKEN) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("localhost", port, timeout=120)
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        try:
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return ask


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(CLIENTS):
        pixels = np.random.default_rng(seed).integers(0, 256, (60, 40 + seed, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{seed}.png")
    return sorted(folder.iterdir())


def replicas(service: int) -> set[int]:
    """The processes below the service's that judge, by what Ray has named them."""
    found, parents = set(), [service]
    while parents:
        pid = parents.pop()
        with contextlib.suppress(OSError):  # it has ended meanwhile
            for thread in Path(f"/proc/{pid}/task").iterdir():
                parents += map(int, (thread / "children").read_text().split())
            if b"ServeReplica" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


@pytest.mark.parametrize("category", ["bottle", "cap"])
def test_score_and_verdict_are_those_of_predict(ask, output, pictures, category):
    expected = load(output.root, category=category).judge(pictures)
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = list(clients.map(lambda file: ask("POST", f"/judge/{category}", file.read_bytes()), pictures))
    assert [status for status, _ in found] == [200] * len(pictures)
    answers = [answer for _, answer in found]
    assert [answer["verdict"] for answer in answers] == expected.verdict.tolist()
    assert [answer["score"] for answer in answers] == pytest.approx(expected.score.tolist(), rel=1e-5)
    assert {answer["detector"] for answer in answers} == set(expected.job_id)


def test_a_heat_map_comes_as_a_png(ask, output, pictures):
    _, answer = ask("POST", "/judge/bottle?heat_map=png", pictures[0].read_bytes())
    drawn = Image.open(io.BytesIO(base64.b64decode(answer["heat_map"])))
    expected = load(output.root, category="bottle").heat_map(pictures[0])
    assert np.array_equal(np.asarray(drawn), np.asarray(expected))


def test_mistakes_get_one_line_each_and_harm_nothing(ask, pictures):
    good = pictures[0].read_bytes()
    assert ask("POST", "/judge/bottle", good, token="wrong")[0] == 401
    for status, path, body in (
        (400, "/judge/bottle", good[:-300]),
        (400, "/judge/bottle", b""),
        (404, "/judge", good),
        (404, "/judge/botle", good),
        (413, "/judge/bottle", bytes(LARGEST_BYTES + 1)),
    ):
        found, answer = ask("POST", path, body)
        assert found == status and list(answer) == ["error"] and "\n" not in answer["error"]
    assert ask("POST", "/judge/bottle", good)[0] == 200


def test_detectors_and_health(ask, output):
    status, answer = ask("GET", "/detectors")
    assert status == 200
    assert [about["detector"] for about in answer["detectors"]] == sorted(job.job_id for job in output.jobs())
    assert ask("GET", "/healthz", token="") == (200, {"status": "ok"})


def test_a_killed_replica_loses_no_picture(ask, service, pictures):
    process, _ = service
    before = replicas(process.pid)
    content = pictures[0].read_bytes()

    def client(number: int) -> list[int]:
        statuses = []
        for i in range(PICTURES):
            statuses.append(ask("POST", "/judge/bottle", content)[0])
            if number == 0 and i == PICTURES // 3:
                for pid in before:
                    os.kill(pid, signal.SIGKILL)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as clients:
        statuses = [status for one in clients.map(client, range(CLIENTS)) for status in one]
    assert statuses == [200] * (CLIENTS * PICTURES)
    assert ask("POST", "/judge/cap", content)[0] == 200
    assert len(before) == 2 and not before & replicas(process.pid)


def test_ctrl_c_ends_it_with_a_count(service):
    process, _ = service
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in out + err
    assert " pictures judged, " in out and "a replica has died; another judges its pictures" in out
    assert out.endswith("The service has ended.\n")
