"""The main job as a script, for `ray submit` and `ray job submit`: the same as `defectsweep run`.

`ray submit` copies this file alone to the head's home folder, where what it imports must be installed (cluster.yaml
sees to it). Within a checkout nothing need be installed: its root goes first on sys.path.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    if (root / "pyproject.toml").is_file():
        # By default sys.path[0] is this script's folder, whose modules must not be importable by their bare names;
        # under PYTHONSAFEPATH Python has left it out.
        sys.path[: 0 if sys.flags.safe_path else 1] = [str(root)]

    from orchestrator.cli import main

    sys.exit(main(["run", *sys.argv[1:]]))
