"""What a study's tiny run came to, held against the verdicts that its card expects."""

from __future__ import annotations

import json
from pathlib import Path


def unexpected(folder: Path) -> list[str]:
    """Claims of a tiny run whose verdict is not the one the card expects, in words; empty where all
    are.
    """
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text(encoding="utf-8"))}
    expected = record["card"]["tiny"]
    found = []
    for id in sorted(expected.keys() | claims.keys()):
        if id not in claims:
            found.append(f"{id}: not judged")
        elif id not in expected:
            found.append(f"{id}: not in the card")
        elif expected[id] not in ("any", claims[id]["verdict"]):
            verdict, reason = claims[id]["verdict"], claims[id]["reason"]
            found.append(f"{id}: expected {expected[id]}, got {verdict} ({reason})")
    return found
