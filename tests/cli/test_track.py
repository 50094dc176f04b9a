"""`track` and `--track` asked wrongly, or in vain: one line, and nothing is written."""

import socket

import pytest

from orchestrator.cli import main
from orchestrator.results.output import Output

pytest.importorskip("mlflow")
SERVER = "mlflow:http://localhost:5000"


def test_an_output_without_rows_is_refused_and_not_made(tmp_path, capsys):
    assert main(["track", str(tmp_path / "none"), SERVER]) == 2
    assert capsys.readouterr().err.startswith(f"defectsweep: {tmp_path}/none holds no rows. 'defectsweep run")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", ["track {} localhost:5000", "run --backend local --output {} --track localhost"])
def test_what_is_no_address_is_refused_before_anything_is_done(words, tmp_path, capsys):
    assert main(words.format(tmp_path / "out").split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no tracking server; mlflow:http://HOST:PORT is expected" in line
    assert not list((tmp_path / "out").rglob("*"))


def test_a_server_that_is_down_is_one_line(tmp_path, capsys, make_job, make_job_row):
    output = Output(str(tmp_path / "out")).create()
    output.write_job(make_job_row(make_job()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert main(["track", output.root, f"mlflow:http://127.0.0.1:{port}"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("does not answer: Connection refused. The same command sends what is missing.")
