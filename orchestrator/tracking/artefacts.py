"""What a job's run carries as files: its checkpoint, and its detector as an ONNX program.

The program is made from the output alone: it takes pictures of the detector's own frame, and is checked on those that
the job has left. Its making is a process of its own, the last in line for the CPU, as it changes torch for all threads.
"""

import os
import subprocess
import sys
from pathlib import Path

from orchestrator import CHECKOUT
from orchestrator.deploy import onnx_file
from orchestrator.errors import InputError
from orchestrator.results.output import Output, checkpoint_folder
from orchestrator.results.rows import JobRow
from orchestrator.tracking import onnx_program

CHECKPOINT, PROGRAM = "checkpoint", "onnx/detector.onnx"
LONGEST_S = 600  # for a program


def write_checkpoint(output: Output, row: JobRow, folder: Path) -> None:
    """Puts the files of a job's checkpoint below a folder."""
    (folder / CHECKPOINT).mkdir()
    for info in output.files(*checkpoint_folder(row.job_id)):
        content = output.read(*checkpoint_folder(row.job_id), info.base_name)
        if content is not None:
            (folder / CHECKPOINT / info.base_name).write_bytes(content)


def write_program(output: Output, row: JobRow, folder: Path) -> str | None:
    """The same of its program. Returns why there is none; None where there is one."""
    try:
        onnx_file.require()
    except InputError as error:
        return str(error)
    (folder / PROGRAM).parent.mkdir()
    why = _in_own_process(output.root, row, folder / PROGRAM)
    if why:
        (folder / PROGRAM).unlink(missing_ok=True)
    return why


def _in_own_process(root: str, row: JobRow, file: Path) -> str | None:
    words = [root, row.dataset, row.category, row.model, row.job_id, str(file)]
    command = [sys.executable, "-P", "-m", onnx_program.__name__, *words]
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST_S,
                              env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it was not made within {LONGEST_S} s"
    if done.returncode == 0:
        return None
    said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return said.removeprefix("--export: ").partition(". ")[0]  # what follows is advice on `predict --export`
