"""Trivial cues of the categories of a run: what is said of them, and how the finding outlives the run.

It is kept as a note that is named by the hash of the data, as every row names the data that it was made on: so it holds
for those rows, of whichever run, and for no others.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from datasets import trivial_cues
from datasets.images import Images
from datasets.trivial_cues import Cue
from orchestrator.results.output import Output

NOTE = "trivial-cues-"  # and the beginning of the data's hash


@dataclass(frozen=True)
class Finding:
    """The trivial cues of one category, at least one."""

    category: str
    data_hash: str
    cues: tuple[Cue, ...]

    def __str__(self) -> str:
        first, *others = self.cues
        also = "".join(f", {cue.name} with {cue.auroc:.3f}" for cue in others)
        return (
            f"trivial cue in {self.category}: {first.name} alone separates good from defective with AUROC "
            f"{first.auroc:.3f}{also}; no detector's figure there is evidence"
        )


def find(decoded: Iterable[Images]) -> list[Finding]:
    """Of each category that has any, once, whatever its sizes."""
    once = {images.data_hash: images for images in decoded}.values()
    found = [Finding(images.category, images.data_hash, tuple(trivial_cues.find(images))) for images in once]
    return [finding for finding in found if finding.cues]


def keep(output: Output, findings: Iterable[Finding]) -> None:
    """Notes them in the output."""
    for finding in findings:
        output.write_note(_note(finding.data_hash), dataclasses.asdict(finding))


def kept(output: Output, data_hashes: Iterable[str | None]) -> list[Finding]:
    """What was noted of these data, each once; what cannot be read is left out."""
    found = (_read(output, data_hash) for data_hash in dict.fromkeys(data_hashes) if data_hash)
    return sorted(filter(None, found), key=lambda finding: finding.category)


def _read(output: Output, data_hash: str) -> Finding | None:
    try:
        note = output.read_note(_note(data_hash))
        if note is None:
            return None
        cues = tuple(Cue(str(cue["name"]), float(cue["auroc"])) for cue in note["cues"])
        return Finding(str(note["category"]), data_hash, cues) if cues else None
    except (ValueError, TypeError, KeyError, OSError):
        return None


def _note(data_hash: str) -> str:
    return f"{NOTE}{data_hash[:12]}"
