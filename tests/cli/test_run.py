"""The command that goes on, as a run prints it: pasted into a shell, it asks for the same experiment."""

import subprocess

import pytest

from orchestrator.cli import arguments, run
from orchestrator.experiment import reading


def asked(words: list[str]):
    parsed = arguments.parse(words)
    return parsed, reading.load(arguments.given(parsed), parsed.config)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--config", "FILE"],
        ["--config", "FILE", "--epochs", "7", "--model", "ganomaly"],
        ["--category", "a b", "--category", "it's", "--set", "lr=1e-3", "--skip-unreadable"],
        ["--category=--odd", "--category", "line\nend \\ 'tab\t", "--checkpoint-minutes", "0.5"],
    ],
)
def test_the_command_that_goes_on_is_of_the_same_experiment(tmp_path, words):
    file = tmp_path / "my experiment.yaml"
    file.write_text("epochs: 3\ntrials: 2\nmodel: [sagan, egbad]\nset: {lr: 0.001}\n")
    parsed, expected = asked(["run", *(str(file) if word == "FILE" else word for word in words)])
    command = run.command_of(arguments.given(parsed), parsed.config)
    assert command.isprintable()
    shell = ["bash", "-c", f"defectsweep() {{ printf '%s\\0' \"$@\"; }}; {command}"]
    read = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
    _, found = asked(read)
    assert found == expected and found[0].hash() == expected[0].hash()


def test_to_go_on_is_not_to_start_over():
    parsed = arguments.parse(["run", "--fresh", "--trials", "3"])
    assert run.command_of(arguments.given(parsed), None) == "defectsweep run --trials 3"
