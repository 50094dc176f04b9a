"""A program as an ONNX file, which runs wherever onnxruntime, OpenVINO or TensorRT does; torch is not needed there.

It is made of the same torch.export program as the .pt2 file, and checked by running the file itself.
"""

import contextlib
import importlib.util
import io
import json
import logging
import warnings
from typing import Any

import numpy as np
import torch

from orchestrator.errors import InputError

NEEDED = ("onnx", "onnxscript", "onnxruntime")
PRODUCER = "defectsweep"
INPUT, OUTPUTS = "pictures", ["scores", "is_defective", "maps"]
SPELT_OUT = {torch.ops.aten.hypot.default: lambda x, y: (x * x + y * y).sqrt()}  # ONNX has no such operator
METADATA = "metadata"  # key of its properties: JSON, as beside a .pt2 program


class OnnxFile:
    """An exported program in this form. Raises InputError where a package for it is missing."""

    def __init__(self, program: torch.export.ExportedProgram):
        require()
        import onnxruntime

        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
            spelt = program.run_decompositions(SPELT_OUT)
            exported = torch.onnx.export(spelt, dynamo=True, input_names=[INPUT], output_names=OUTPUTS, verbose=False)
        self.model = exported.model_proto
        self.model.producer_name = PRODUCER
        _forget_this_machine(self.model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        self._session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    @property
    def made_with(self) -> dict[str, str | int]:
        """Versions, and the opset that whoever runs it must know."""
        import onnx
        import onnxruntime

        (opset,) = [one.version for one in self.model.opset_import if one.domain in ("", "ai.onnx")]
        return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__, "opset": opset}

    def judge(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (N, H, W, 3) uint8 -> scores (N,), verdicts (N,) bool, by onnxruntime."""
        scores, flagged = self._session.run(OUTPUTS[:2], {INPUT: pictures})
        return scores, flagged

    def content(self, metadata: dict[str, Any]) -> bytes:
        """The file."""
        import onnx

        onnx.helper.set_model_props(self.model, {METADATA: json.dumps(metadata)})
        return self.model.SerializeToString()


def _forget_this_machine(model: Any) -> None:
    """Each node comes with the calls that made it, and so with the folders of this machine."""
    for node in (*model.graph.node, *(node for function in model.functions for node in function.node)):
        del node.metadata_props[:]
        node.doc_string = ""


def require() -> None:
    """Raises InputError unless what writes and runs such a file is installed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--export of an .onnx file needs {', '.join(missing)}: pip install 'defectsweep[onnx]'.")
