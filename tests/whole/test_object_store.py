"""An output in a bucket: a real S3 server on this machine, which can be slow, refuse, and go away and come back."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from orchestrator import CHECKOUT
from orchestrator.cli import main
from orchestrator.errors import RunError
from orchestrator.results import storage
from orchestrator.results.output import Output
from orchestrator.results.storage import Storage

JOBS, TRIALS = 2, 4  # of both together


class Store:
    """An S3 server on a port of this machine, whose buckets outlive `stop`."""

    def __init__(self):
        self.app = DomainDispatcherApplication(create_backend_app)
        self.requests: list[str] = []  # "PUT /bucket/out/x?y=z"
        self.delay_s, self.refuses = 0.0, re.compile("(?!)")
        self.port = 0
        self.start()

    def __call__(self, environ: dict, start_response: Callable):
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}".rstrip("?")
        self.requests.append(request)
        time.sleep(self.delay_s)
        if self.refuses.search(request):
            start_response("403 Forbidden", [])
            return [b""]
        return self.app(environ, start_response)

    def start(self) -> None:
        self.server = make_server("127.0.0.1", self.port, self, threaded=True)
        self.port = self.server.port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """From now on nothing listens."""
        self.server.shutdown()
        self.server.server_close()

    def asked(self, pattern: str) -> list[str]:
        return [request for request in self.requests if re.search(pattern, request)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        store = Store()
        yield store
        store.stop()


@pytest.fixture
def store(server) -> Iterator[Store]:
    yield server
    server.delay_s, server.refuses = 0.0, re.compile("(?!)")


@pytest.fixture
def uri(store) -> str:
    """A folder in a bucket of its own."""
    bucket = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3", endpoint_url=store.url).create_bucket(Bucket=bucket)
    store.requests.clear()
    return f"s3://{bucket}/out?scheme=http&endpoint_override=127.0.0.1%3A{store.port}"


def arguments(data: Path | str, output: str, *more: str) -> list[str]:
    """A run of two jobs: one trial of the one, three of the other, whose checkpoint is of 60 MB."""
    return [
        "run", "--backend", "local", "--dataset", "folder", "--data-root", str(data), "--category", "fabric",
        "--model", "mean_image", "--model", "skip_ganomaly", "--size-px", "32", "--epochs", "1", "--trials", "3",
        "--output", output, *more,
    ]  # fmt: skip


def begin(data: Path, output: str, *more: str) -> subprocess.Popen:
    command = [sys.executable, str(CHECKOUT / "orchestrator" / "run_all.py"), *arguments(data, output, *more)[1:]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    while not condition():
        assert process.poll() is None, "the run ended before"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def expected(few_images, plain_rows, tmp_path_factory) -> dict[str, list]:
    """What the same run leaves in a local folder."""
    root = str(tmp_path_factory.mktemp("local"))
    assert main(arguments(few_images, root)) == 0
    found = plain_rows(root)
    assert (len(found["leaderboard"]), len(found["trials"])) == (JOBS, TRIALS)
    return found


@pytest.fixture
def finished(few_images, uri, expected, plain_rows, capsys) -> str:
    """The bucket after a whole run."""
    assert main(arguments(few_images, uri)) == 0
    assert plain_rows(uri) == expected
    capsys.readouterr()
    return uri


def complaint(capsys, argv: list[str], status: int) -> str:
    """The one line that a command prints, and nothing else but how the data were read."""
    assert main(argv) == status
    shown, said = capsys.readouterr()
    (line,) = said.splitlines()
    assert all(": read as good: " in told for told in shown.splitlines())
    assert line.startswith("defectsweep: --output s3://")
    return line


# -- a run


@pytest.mark.parametrize("way", ["the environment", "a URL in the query", "host and port in the query"])
def test_a_bucket_is_found_by(way, store, uri, monkeypatch):
    place = uri.partition("?")[0]
    if way == "the environment":
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        uri = place
    elif way == "a URL in the query":
        uri = f"{place}?endpoint_override={store.url.replace(':', '%3A').replace('/', '%2F')}"
    Storage(uri).create().write(b"content", "a b%20c")
    assert Storage(uri).read("a b%20c") == b"content"
    assert [info.base_name for info in Storage(uri).files()] == ["a b%20c"]


def test_a_run_leaves_the_rows_of_a_local_one_and_the_next_finds_nothing_to_do(few_images, finished, store, capsys):
    store.requests.clear()
    assert main(arguments(few_images, finished)) == 0
    assert "nothing to do, 2 finished before" in capsys.readouterr().out
    assert not store.asked("^(PUT|POST) .*parquet")


@pytest.mark.parametrize(
    "when",
    ["PUT .*-t0000", "PUT .*-t0001", "weights.pt.*partNumber=3", "PUT .*/leaderboard/.*skip_ganomaly", "DELETE .*-t"],
)
def test_killed_at_any_request_and_started_again_it_leaves_the_same_rows(
    when, few_images, uri, expected, plain_rows, store
):
    process = begin(few_images, uri)
    with process:
        wait_for(lambda: store.asked(when), process)
        process.send_signal(signal.SIGKILL)
    kept = plain_rows(uri)
    assert process.returncode == -signal.SIGKILL
    assert all(row in expected[kind] for kind in kept for row in kept[kind])
    assert main(arguments(few_images, uri)) == 0
    assert plain_rows(uri) == expected
    assert not Storage(uri).files("resume")


def test_of_two_runs_at_once_each_trains_what_the_other_does_not(few_images, uri, expected, plain_rows, store):
    with begin(few_images, uri) as first, begin(few_images, uri) as second:
        said = [process.communicate() for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert plain_rows(uri) == expected
    written = store.asked(r"^PUT .*-t\d+\.parquet")
    assert len(written) == len(set(written)) == TRIALS


def test_a_run_on_a_slow_store_ends_as_on_a_fast_one(few_images, uri, expected, plain_rows, store):
    store.delay_s = 0.1
    assert main(arguments(few_images, uri)) == 0
    store.delay_s = 0.0
    assert plain_rows(uri) == expected


# -- the other verbs


def test_rows_are_read_drawn_compacted_and_forgotten(few_images, finished, expected, plain_rows, tmp_path, capsys):
    assert main(["leaderboard", "--output", finished]) == 0
    assert "skip_ganomaly" in capsys.readouterr().out
    assert main(["leaderboard", "--output", finished, "--sql", "SELECT count(*) AS n FROM trials"]) == 0
    assert capsys.readouterr().out.split()[-1] == str(TRIALS)
    assert main(["figures", "--output", finished, "--to", str(tmp_path)]) == 0
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}
    for _ in range(2):
        assert main(["compact", "--output", finished]) == 0
        assert plain_rows(finished) == expected
    assert [info.base_name[:7] for info in Storage(finished).files("trials")] == ["merged-"]
    assert main(["leaderboard", "--output", finished, "--sql", "SELECT count(*) AS n FROM scores"]) == 0
    before = Output(finished).jobs()
    assert main(arguments(few_images, finished, "--fresh")) == 0
    assert plain_rows(finished) == expected
    assert all(new.finished_at > old.finished_at for new, old in zip(Output(finished).jobs(), before, strict=True))


# -- what a write costs, and what it leaves


def test_a_small_file_is_one_request(store, uri):
    Storage(uri).write(b"x" * 100_000, "a", "b")
    assert len(store.requests) == 1 and store.requests[0].startswith("PUT ")


@pytest.mark.parametrize("size", [1000, 35 << 20], ids=["small", "of several parts"])
def test_a_file_of_which_a_part_is_refused_leaves_the_old_one(size, store, uri):
    where = Storage(uri)
    where.write(b"old", "file")
    store.refuses = re.compile(r"^PUT .*/file(\?partNumber=3|$)")
    with pytest.raises(RunError, match="while writing file"):
        where.write(b"x" * size, "file")
    assert where.read("file") == b"old"


# -- stores that do not do what they should


def test_a_bucket_that_does_not_exist_is_one_line_and_nothing_is_trained(few_images, uri, store, capsys):
    nowhere = uri.replace("/out?", "-none/out?")
    line = complaint(capsys, arguments(few_images, nowhere), 2)
    assert "cannot be written (NO_SUCH_BUCKET during PutObject operation: The specified bucket does not exist)" in line
    assert len(store.requests) == 1


def test_wrong_credentials_are_one_line_and_nothing_is_trained(few_images, uri, store, capsys):
    def check_credentials(after_requests: str) -> None:
        header = {"Content-Type": "text/plain"}
        urlopen(Request(f"{store.url}/moto-api/reset-auth", after_requests.encode(), header)).close()

    check_credentials("0")
    try:
        assert "INVALID_ACCESS_KEY_ID" in complaint(capsys, arguments(few_images, uri), 2)
        line = complaint(capsys, ["leaderboard", "--output", uri], 1)
        assert "INVALID_ACCESS_KEY_ID" in line and ", while listing leaderboard." in line
    finally:
        check_credentials("inf")
    assert not Storage(uri).files()


def test_a_store_that_is_away_is_one_line_and_nothing_is_trained(few_images, uri, store, monkeypatch, capsys):
    monkeypatch.setattr(storage, "S3_ATTEMPTS", 2)
    store.stop()
    try:
        assert "cannot be written (NETWORK_CONNECTION" in complaint(capsys, arguments(few_images, uri), 2)
    finally:
        store.start()


@pytest.mark.parametrize("when", ["PUT .*-t0000", "weights.pt.*partNumber=2"])
def test_a_store_that_goes_away_ends_the_run_in_one_line_and_the_same_command_goes_on_when_it_is_back(
    when, few_images, uri, expected, plain_rows, store
):
    with begin(few_images, uri) as process:
        wait_for(lambda: store.asked(when), process)
        store.stop()
        try:
            said = process.communicate()[1]
        finally:
            store.start()
    assert process.returncode == 1
    *warnings, line = said.splitlines()
    assert all(warning.startswith("the claims cannot be renewed (") for warning in warnings), said
    assert line.startswith("defectsweep: ") and "NETWORK_CONNECTION" in line and "Every row that was finished" in line
    assert main(arguments(few_images, uri)) == 0
    assert plain_rows(uri) == expected


def test_a_store_that_is_away_for_a_moment_ends_no_run(few_images, uri, expected, plain_rows, store):
    with begin(few_images, uri) as process:
        wait_for(lambda: store.asked("PUT .*-t0000"), process)
        store.stop()
        time.sleep(1)
        store.start()
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert plain_rows(uri) == expected


# -- data in a bucket


def test_images_in_a_bucket_are_trained_on_as_those_of_a_folder(
    few_images, uri, expected, plain_rows, store, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bucket, client = uri.split("/")[2], boto3.client("s3", endpoint_url=store.url)
    pictures = [path for path in few_images.rglob("*.png") if "fabric" in path.parts]
    for path in [*pictures, *few_images.glob("board/test/good/*")]:
        client.upload_file(str(path), bucket, f"parts/{path.relative_to(few_images)}")
    store.requests.clear()
    place = f"s3://{bucket}/parts?{uri.partition('?')[2]}"
    for backend in ("local", "ray"):
        command = arguments(place, str(tmp_path / backend))
        command[command.index("--backend") + 1] = backend
        assert main(command) == 0
        assert plain_rows(str(tmp_path / backend)) == expected
    assert len(store.asked(r"GET /.*/parts/.*\.png")) == len(pictures), "each once, and none of another category"


def test_data_in_a_bucket_that_does_not_exist_are_one_line(uri, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = f"s3://no-such-bucket/parts?{uri.partition('?')[2]}"
    assert main(arguments(place, str(tmp_path / "out"))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("defectsweep: ") and "data root s3://no-such-bucket" in line and "--data-root" in line
    assert not (tmp_path / "out").exists()
