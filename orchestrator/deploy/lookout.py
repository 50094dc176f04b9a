"""Whether the pictures that are judged still look like those that their detector learned from, in words."""

from collections.abc import Mapping

from orchestrator.deploy.judging import Judged
from orchestrator.metrics import looks
from orchestrator.metrics.looks import Change
from orchestrator.training.checkpoint import Config
from orchestrator.words import count


class Lookout:
    """Sees pictures as they are judged. A detector that does not know how its pictures looked, for it is of an older
    version, has no news."""

    def __init__(self, config: Config):
        self._pictures = looks.LastPictures(config.looks or {})
        self._changes: list[Change] = []

    def see(self, one: Judged) -> None:
        """Takes in a picture that has a verdict."""
        self.look(one.row.path, one.looks)

    def look(self, name: str, looks: Mapping[str, float]) -> None:
        """The same by a picture's name and its numbers."""
        self._changes += self._pictures.see(name, looks)

    def end(self) -> None:
        """No more pictures come."""
        self._changes += self._pictures.end()

    def news(self) -> list[str]:
        """What has changed, a line each, which is told once."""
        told, self._changes = self._changes, []
        return list(map(in_words, told))


def in_words(change: Change) -> str:
    """What has changed, from where on, and what follows."""
    return (
        f"from {change.first} on, {change.beyond} of {count(change.of, 'picture')} are {change.word} than those that "
        f"the detector learned from ({change.kind} {change.median:.3g}, where {change.low:.3g} to {change.high:.3g} is "
        "usual). Light, camera or part have changed, and verdicts may not hold: set it right, or train on pictures as "
        "they are now."
    )
