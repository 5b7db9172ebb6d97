"""Memory against the size of a text file: `inscape data`, a plan and a harvest of CSVs, each in a
process of its own.

The file is generated: texts of 500 to 1,500 characters with a number and a group. The model is a
toy of one block of width 8, so that what is measured is what the texts take and not the network.
What counts is the peak of the whole process (the interpreter, PyTorch and the pages of mapped files
too). The targets are those for 3 GB (a look) and 1 GB (plan, harvest); a peak that does not grow
between the two sizes here does not reach them there. One size is measured by

    python -m benchmarks.text_memory plan 1000

in megabytes of text.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.resident import peak

FEW, MANY = 100, 300
#: verb → the most that the process may take, MB
TARGETS = {"look": 1000, "plan": 2000, "harvest": 2000}
_WORDS = [f"w{i}" for i in range(2000)]


def run(few: int = FEW, many: int = MANY) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    rows = []
    for verb, target in TARGETS.items():
        small, large = measured(verb, few), measured(verb, many)
        what = "a look at" if verb == "look" else f"{verb} of"
        note = (
            f"peak of the process at {few} and {many} MB of text: {small['peak'] / 1e6:.0f} and "
            f"{large['peak'] / 1e6:.0f} MB, of which {large['start'] / 1e6:.0f} MB before the "
            f"call; {large['seconds']:.0f} s"
        )
        rows.append(
            {
                "name": f"memory of {what} {many} MB of text",
                "ours": large["peak"] / 1e6,
                "theirs": None,
                "ratio": None,
                "target": target,
                "unit": "MB",
                "note": note,
            }
        )
    return rows


def measured(verb: str, megabytes: int) -> dict[str, float]:
    """Peak memory of a process of its own, and what it had before the call, bytes; seconds of the
    call.

    Args:
        verb: ``look``, ``plan`` or ``harvest``.
        megabytes: of the file.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.text_memory", verb, str(megabytes)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return json.loads(ran.stdout.splitlines()[-1])


def write(path: Path, megabytes: int) -> None:
    """A CSV of so many megabytes, no two texts the same."""
    rng = np.random.default_rng(0)
    texts = [
        " ".join(_WORDS[k] for k in rng.integers(0, 2000, int(rng.integers(90, 280))))
        for _ in range(2000)
    ]
    with path.open("w") as file:
        file.write("text,score,group\n")
        for round_ in range(1_000_000):
            for i, text in enumerate(texts):
                head = f"{_WORDS[i]} {_WORDS[round_ % 2000]} {_WORDS[round_ // 2000]}"
                file.write(f"{head} {text},{(i + round_) % 97 / 7},g{(i + round_) % 100}\n")
            if file.tell() >= megabytes * 1_000_000:
                return


def toy() -> Any:
    """A network of one block with a tokenizer of words."""
    from tests.store.conftest import tokenizer
    from transformers import LlamaConfig, LlamaForCausalLM

    from inscape.model.model import Model

    config = LlamaConfig(
        vocab_size=2002,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=512,
    )
    return Model(LlamaForCausalLM(config).eval(), tokenizer(_WORDS), "toy")


def _child(verb: str, megabytes: int) -> None:
    from inscape.data.load import load, look
    from inscape.store.forecast import forecast
    from inscape.store.harvest import harvest

    with tempfile.TemporaryDirectory() as folder:
        os.environ["INSCAPE_HOME"] = f"{folder}/home"
        path = Path(folder, "texts.csv")
        write(path, megabytes)
        model = toy() if verb != "look" else None
        before, start = peak(), time.perf_counter()
        if verb == "look":
            look(path)
        elif verb == "plan":
            forecast(model, load(path), "resid_post.*", at="all", limit=1.0)
        else:
            harvest(
                model, load(path), "resid_post.*", at="last", budget=16_384, to=f"{folder}/store"
            )
        found = {"peak": peak(), "start": before, "seconds": time.perf_counter() - start}
        print(json.dumps(found))


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]))
