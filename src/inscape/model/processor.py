"""The preprocessor that a checkpoint names: how its images are scaled, or its sound is turned into
features.

It is transformers' own, built from ``preprocessor_config.json``, on Pillow and NumPy alone.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from inscape.core.foreign import reason

log = logging.getLogger(__name__)


def processor_of(where: str, revision: str | None = None) -> Any:
    """The image processor or feature extractor of a folder or Hub id; None where there is none that
    can be used.
    """
    import transformers
    from transformers.utils import cached_file

    try:
        found = cached_file(
            where,
            "preprocessor_config.json",
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
        )
        if found is None:
            return None
        facts = json.loads(Path(found).read_text(encoding="utf-8"))
        # extractors of images is what they were called before 2022
        pictures = "image_processor_type" in facts or "image_mean" in facts
        auto = transformers.AutoImageProcessor if pictures else transformers.AutoFeatureExtractor
        extra = {"backend": "pil"} if pictures else {}
        # by default transformers asks on the terminal whether code of the folder may run
        return auto.from_pretrained(str(Path(found).parent), trust_remote_code=False, **extra)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a damaged or foreign file makes of its reader
        log.warning("%s has no usable preprocessor: %s", where, reason(error))
        return None
