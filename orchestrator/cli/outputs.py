"""What the verbs share to open an output, and to warn."""

import contextlib
import sys
from collections.abc import Iterator

from orchestrator.results.output import Output
from orchestrator.words import printable


@contextlib.contextmanager
def opened(root: str) -> Iterator[Output]:
    """An output, whose files that could not be read are named when the context ends."""
    output = Output(root)
    try:
        yield output
    finally:
        for path, reason in sorted(output.skipped.items()):
            warn(f"skipped {path}: {reason}")


def warn(line: str) -> None:
    """A line on stderr, for what went on in spite of it."""
    print(printable(f"defectsweep: {line}"), file=sys.stderr)
