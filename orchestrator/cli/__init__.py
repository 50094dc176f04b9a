"""What does a person type? The command line: a verb -> its file, imported alone.

Exit status: 0 all jobs done, 1 some job failed (its row says why), 2 the input is wrong, 130 interrupted.
"""

import importlib
import os
import sys

from orchestrator import namesake
from orchestrator.errors import InputError, RunError
from orchestrator.words import printable

INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names, and our own dots, may not be in its letters
    try:
        if (line := namesake()) is not None:
            raise InputError(line)
        arguments = importlib.import_module("orchestrator.cli.arguments")  # not before: it imports what has namesakes
        asked = arguments.parse(sys.argv[1:] if argv is None else argv)
        return importlib.import_module(f"orchestrator.cli.{asked.verb}").main(asked)
    except InputError as error:
        print(f"defectsweep: {printable(str(error))}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"defectsweep: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as in `| head`
        sys.stdout = open(os.devnull, "w")
        return 0
