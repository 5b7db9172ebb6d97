"""Make one hostile input again, from its reader, its seed and its place.

python -m benchmarks.torture.again READER SEED INDEX SAMPLE FOLDER
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.torture.child import prepare


def main(arguments: list[str]) -> None:
    """Write the input to a folder."""
    reader, seed, index, sample, folder = arguments
    with tempfile.TemporaryDirectory() as work:
        made = prepare(reader, Path(sample), Path(work), int(seed), int(index), Path("canary"))
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
