"""How long a person waits for nothing: `import inscape`, `inscape --help`, and a model that is
opened and certified.

The first two are processes of their own, and hold the start of the interpreter, which is why its
own time is told beside them. The model is opened in one process, in turn with transformers' own
load of the same folder (network and tokenizer, float32, one after the other); its certificate is
kept from the first time, as a user's is, and measured anew in a row of its own. Rounds are
interleaved and figures are medians. Targets are upper bounds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODEL = "smollm2-135m"
WAYS = {
    "nothing": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import inscape"],
    "help": [str(Path(sys.executable).with_name("inscape")), "--help"],
}


def run(rounds: int = 9) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(rounds + 1):
        for name, command in WAYS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if number:  # the first round fills the disk's cache
                seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    told = (
        f"median of {rounds} processes; the interpreter alone takes {middle['nothing']:.2f} s of it"
    )
    return [
        _row("import inscape", middle["import"], 0.5, told),
        _row("inscape --help", middle["help"], 0.7, told),
        *_opening(),
    ]


def _opening(rounds: int = 5) -> list[dict[str, Any]]:
    """Opening the default model against transformers' own load; the certificate kept, and measured
    anew.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from inscape.model import zoo
    from inscape.model.certificate import certify
    from inscape.model.open import open

    folder = str(zoo.fetch(MODEL))
    ours, theirs = [], []
    for number in range(rounds + 1):
        start = time.perf_counter()
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        AutoTokenizer.from_pretrained(folder)
        middle = time.perf_counter()
        model = open(MODEL)
        if number:  # the first round measures the certificate and fills the disk's cache
            theirs.append(middle - start)
            ours.append(time.perf_counter() - middle)
    start = time.perf_counter()
    certify(model)
    anew = time.perf_counter() - start
    load, opened = statistics.median(theirs), statistics.median(ours)
    told = f"{MODEL}, medians of {rounds} rounds in turn; ours {opened:.2f} s, theirs {load:.2f} s"
    unit = "× transformers' own load"
    return [
        _row("opening and certifying the default model", opened / load, 1.5, told, unit),
        _row("its certificate measured anew", anew, None, f"{MODEL}, once"),
    ]


def _row(
    name: str, ours: float, target: float | None, note: str, unit: str = "s"
) -> dict[str, Any]:
    return {
        "name": name,
        "ours": ours,
        "theirs": None,
        "ratio": None,
        "target": target,
        "unit": unit,
        "note": note,
    }
