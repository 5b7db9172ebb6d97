"""GGUF files: dequantised once through transformers, kept as safetensors, opened from there.

The values are those of the quantised file; nothing is quantised again. What the head says is
carried over or refused by name (`inscape.model.gguf_config`), and so are tensors that are missing
or left over (`inscape.model.gguf_tensors`). Dequantising a 135 M model takes seconds, the kept copy
opens in under one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from inscape.core.errors import InscapeError, ModelError
from inscape.core.foreign import reason
from inscape.core.home import home
from inscape.core.workplace import sweep, workplace
from inscape.model import gguf_config, gguf_tensors
from inscape.model.gguf_head import check_head

#: raised when what is carried over changes: a copy made before that is not used again
READING = 2


def converted(path: Path) -> Path:
    """The folder of a GGUF file's safetensors copy, made if it is not there.

    Args:
        path: the GGUF file.

    Returns:
        A folder in Hugging Face's layout, named by the file's SHA-256.

    Raises:
        ModelError: the file is not GGUF, or not everything in it is understood.
    """
    target = home("models", f"gguf{READING}-" + file_hash(path)[:32])
    sweep(target.parent, target.name, everyone=True)
    if not (target / "config.json").is_file():
        convert(path, target)
    return target


def convert(path: Path, target: Path) -> None:
    """Dequantise a GGUF file into `target`, which appears whole or not at all."""
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ModelError(f"{path.name} is not a GGUF file: it does not begin with GGUF")
    head = check_head(path)
    gguf_config.check_known(head)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as hf_logging

    bar = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        # by default transformers asks on the terminal whether code that lies beside the file may
        # run
        config = AutoConfig.from_pretrained(
            str(path.parent), gguf_file=path.name, trust_remote_code=False
        )
        gguf_config.carry(head, path, config)
        with torch.device("meta"):
            gguf_tensors.check_tensors(head, AutoModelForCausalLM.from_config(config))
        with workplace(target.parent, target.name, everyone=True) as place:
            work = place / "model"
            # its bar of tensors cannot be turned off otherwise
            with contextlib.redirect_stderr(io.StringIO()), _one_map_of_names():
                net, found = AutoModelForCausalLM.from_pretrained(
                    str(path.parent),
                    gguf_file=path.name,
                    trust_remote_code=False,
                    config=config,
                    dtype=torch.float32,
                    output_loading_info=True,
                )
                tokenizer = AutoTokenizer.from_pretrained(
                    str(path.parent), gguf_file=path.name, trust_remote_code=False
                )
            gguf_tensors.check_missing(path.name, sorted(found["missing_keys"]))
            config = net.config
            if hasattr(config, "quantization_config"):
                del config.quantization_config
            # built again from the plain configuration: the loaded one refuses to be saved as a
            # quantised model
            plain = type(net)(config)
            plain.load_state_dict(net.state_dict())
            plain.save_pretrained(work)
            tokenizer.save_pretrained(work)
            install(work, target)
    except (InscapeError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a damaged file makes of its readers
        raise ModelError(
            f"{path.name} cannot be read ({reason(error)}); fetch the file again"
        ) from error
    finally:
        if bar:
            hf_logging.enable_progress_bar()


@contextlib.contextmanager
def _one_map_of_names() -> Iterator[None]:
    """GGUF's names of a network's tensors, written out once.

    transformers asks for all of them again at every module, which takes longer than all else with
    many blocks.
    """
    import gguf

    made = gguf.get_tensor_name_map
    gguf.get_tensor_name_map = cache(made)
    try:
        yield
    finally:
        gguf.get_tensor_name_map = made


def install(work: Path, target: Path) -> None:
    """Put a finished folder in its place, unless another process did so meanwhile."""
    try:
        work.rename(target)
    except OSError:
        if not (target / "config.json").is_file():  # not merely another process that was faster
            raise


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
