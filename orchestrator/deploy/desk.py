"""One category of a service: who judges its pictures, what was judged, and whether they still look as they should."""

import base64
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.deploy.judging import DEFECTIVE
from orchestrator.deploy.lookout import Lookout
from orchestrator.deploy.posted import Posted, Reply
from orchestrator.training.checkpoint import Config
from orchestrator.training.provenance import now

ABOUT = (  # of its detector, as the checkpoint has it
    "category", "dataset", "model", "threshold", "protocol", "selection_split", "val_auc", "test_auc", "data_hash",
)  # fmt: skip


class RefusedError(Exception):
    """A picture that cannot be judged; the message is one line that says why."""


class NoReplyError(Exception):
    """Nobody could judge a picture now; the message is one line that says why. It may be sent again."""


@dataclass
class Desk:
    """Where the pictures of a category are handed in. `ask` has one judged, and raises NoReplyError where it cannot;
    `tell` gets a line for each change in how pictures look."""

    config: Config
    ask: Callable[[Posted], Awaitable[Reply]]
    tell: Callable[[str], object]

    def __post_init__(self) -> None:
        self.judged = self.defective = self.refused = 0
        self.changes: list[str] = []
        self._lookout = Lookout(self.config)

    async def judge(self, picture: Posted) -> dict[str, Any]:
        """The answer to a picture. Raises RefusedError where it cannot be judged, and NoReplyError."""
        start = time.perf_counter()
        reply = await self.ask(picture)
        row = reply.row
        if row.error is not None:
            self.refused += 1
            raise RefusedError(row.error)
        self.judged += 1
        self.defective += row.verdict == DEFECTIVE
        self._look(reply)
        answer = {
            "score": row.score,
            "verdict": row.verdict,
            "threshold": row.threshold,
            "ms": round((time.perf_counter() - start) * 1000, 2),
            "detector": row.job_id,
        }
        return answer | ({"heat_map": base64.b64encode(reply.heat_map).decode()} if reply.heat_map else {})

    def about(self) -> dict[str, Any]:
        """Its detector, and what was judged since the service began."""
        return {
            "detector": self.config.job_id,
            **{name: getattr(self.config, name) for name in ABOUT},
            "judged": self.judged,
            "defective": self.defective,
            "refused": self.refused,
            "changes": self.changes,
        }

    def _look(self, reply: Reply) -> None:
        self._lookout.look(f"picture {self.judged} ({now()})", reply.looks)
        for line in self._lookout.news():
            self.changes.append(line)
            self.tell(f"{self.config.category}: {line}")
