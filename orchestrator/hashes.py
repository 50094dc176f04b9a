"""Identities and seeds as hashes of descriptions: the same on every machine, in every process."""

import hashlib
import json
from typing import Any


def digest(description: Any) -> str:
    """SHA-256 hex of a description's canonical JSON."""
    return hashlib.sha256(json.dumps(description, sort_keys=True, default=str).encode()).hexdigest()


def seed_of(*parts: Any) -> int:
    """A 31-bit seed that is a pure function of its parts, the same on every machine."""
    return int(digest(parts)[:8], 16) >> 1
