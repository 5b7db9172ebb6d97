"""open: any network becomes a `Model`, with the checks of it.

What may be opened: a zoo name (``smollm2-135m``), a Hub id (``gpt2``, ``org/name``), a local folder
in Hugging Face's layout, a GGUF file, or a live ``nn.Module``. Weights are read as safetensors or
GGUF only; code from a checkpoint is run only with ``trust_remote_code=True``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from inscape.core.errors import InscapeError, ModelError, suggest
from inscape.core.foreign import reason
from inscape.model import checkpoint_files, gguf, zoo
from inscape.model.certificate import certify
from inscape.model.compile_blocks import compiled_blocks
from inscape.model.family import Family
from inscape.model.hashing import hashing
from inscape.model.model import Model
from inscape.model.processor import processor_of

log = logging.getLogger(__name__)


def open(
    what: Any,
    *,
    tokenizer: Any = None,
    processor: Any = None,
    name: str = "",
    device: str | None = None,
    dtype: str | None = None,
    family: Family | None = None,
    tower: str = "",
    revision: str | None = None,
    trust_remote_code: bool = False,
    compile: bool | str = False,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Open a network and certify it.

    Args:
        what: a zoo name, a Hub id, a folder, a ``.gguf`` file, or a live module (of a pipeline or a
            sentence-transformers model, the transformer inside).
        tokenizer: a Hugging Face tokenizer, for live modules.
        processor: a Hugging Face image processor or feature extractor, for live modules that are to
            read files.
        name: what reports call it; by default what was opened.
        device: where to put weights read from files (``cpu`` by default); a live module stays where
            it is.
        dtype: ``float32`` (default for files), ``bfloat16``, ``float16`` or ``float64``.
        family: the facts of an architecture that Inscape does not know.
        tower: which stack of blocks, of a network of several: ``encoder`` or ``decoder``, ``image``
            or ``text``; by default the first. `Model.tower` gives another one of a model that is
            open.
        revision: branch, tag or commit of a Hub id.
        trust_remote_code: run code that comes with the checkpoint.
        compile: whether passes that do not look inside blocks run them compiled by `torch.compile`
            (or with which of its backends); see `inscape.model.compiled`.
        progress: called with bytes done and in all, while something is fetched.

    Returns:
        The model; its certificate's failed items refuse the sites they concern.

    Raises:
        ModelError: nothing can be opened under this name; the message says what can.
        FetchError: it cannot be fetched; the message says which ways remain.

    Example:
        >>> model = open(torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)))
        >>> model.run(torch.zeros(4, 3), "module:1:out")["module:1:out"].shape
        torch.Size([4, 5])
    """
    what, tokenizer, processor = _inside(what, tokenizer, processor)
    if isinstance(what, nn.Module):
        _check_held(what)
        model = Model(what, tokenizer, name, family, tower)
        model.processor = processor
        model.source = {"from": f"live {type(what).__module__}.{type(what).__qualname__}"}
        certify(model)
        _compile(model, compile)
        return model
    chosen = _CHOSEN.get()
    wanted, place = _dtype(dtype or chosen[1]), _device(device or chosen[0] or "cpu")
    folder, source = _locate(str(what), revision, progress)
    with _quietly():
        net, read = _load(folder, wanted, trust_remote_code, str(what), revision)
        hashes = None
        if place.type == "cpu":  # while the tokenizer is read
            hashes = hashing(net, None if trust_remote_code else _files_of(folder, revision))
        found_tokenizer = read()
    if not getattr(net, "is_quantized", False):  # which lies where its loader put it
        net = net.to(place)
    model = Model(
        net.eval(), tokenizer or found_tokenizer, name or _short_name(what), family, tower
    )
    model.source = source
    model.processor = processor
    if processor is None and model.kind != "text":
        with _quietly():
            model.processor = processor_of(folder, revision)
    model.origin = {
        "what": str(what),
        "revision": revision,
        "trust_remote_code": trust_remote_code,
        "family": family,
        "tower": tower,
    }
    weights = None
    if hashes is not None:
        sums, weights = hashes()
        model.hashed(sums, weights)
    certify(model, cached=not trust_remote_code, weights=weights)
    _compile(model, compile or (chosen[2] if model.family is not None else False))
    return model


def _compile(model: Model, backend: bool | str) -> None:
    if backend:
        model.compiled = compiled_blocks(model, "inductor" if backend is True else backend)
        if model.origin is not None:
            model.origin = {**model.origin, "compile": backend}


#: device, dtype and compilation of models that are opened without; see `opening_with`
_CHOSEN: ContextVar[tuple[str | None, str | None, bool | str]] = ContextVar(
    "chosen", default=(None, None, False)
)


@contextmanager
def opening_with(
    device: str | None = None, dtype: str | None = None, compile: bool | str = False
) -> Iterator[None]:
    """Inside the block, models that name no device or dtype of their own are opened with these:
    those of a study, say.

    Models of a known family that are read from files are compiled there, if that is asked for.

    Raises:
        ModelError: a device that cannot be used here, or a dtype that is none; at once, not when a
            model is opened.
    """
    _dtype(dtype), _device(device or "cpu")
    token = _CHOSEN.set((device, dtype, compile))
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def _inside(what: Any, tokenizer: Any, processor: Any) -> tuple[Any, Any, Any]:
    """The network, tokenizer and processor in a pipeline or a sentence-transformers model; anything
    else as it is.
    """
    if isinstance(what, (str, Path)):
        return what, tokenizer, processor
    if isinstance(what, nn.Module):
        first = next(iter(what.children()), None) if hasattr(what, "encode") else None
        inner = getattr(first, "auto_model", None)
        if isinstance(inner, nn.Module):
            return inner, tokenizer or getattr(first, "tokenizer", None), processor
        return what, tokenizer, processor
    inner = getattr(what, "model", None)
    if isinstance(inner, nn.Module):
        parts = (getattr(what, name, None) for name in ("image_processor", "feature_extractor"))
        processor = processor or next((p for p in parts if p is not None), None)
        return inner, tokenizer or getattr(what, "tokenizer", None), processor
    raise ModelError(
        f"a {type(what).__name__} is not a network; give a live module, a zoo name, a Hub id, a "
        "folder or a GGUF file"
    )


def _check_held(net: nn.Module) -> None:
    """Refuse a live network whose weights are not in memory."""
    if isinstance(net, torch.jit.ScriptModule):
        raise ModelError(
            "this network is TorchScript, which calls no hooks; open the network that it was "
            "scripted or traced from"
        )
    held = [*net.named_parameters(), *net.named_buffers()]
    lazy = next((name for name, x in held if is_lazy(x)), None)
    if lazy is not None:
        raise ModelError(
            f"{lazy} of this {type(net).__name__} has no shape before its first pass; call the "
            "network once on an input, then open it"
        )
    # layers of quantisers compute with such weights, PyTorch's own do not
    plain = [m for m in net.modules() if type(m).__module__.startswith("torch.nn.modules.")]
    small = {str(p.dtype) for m in plain for p in m.parameters(recurse=False)} & _STORED
    if small:
        raise ModelError(
            f"this {type(net).__name__} has weights in {min(small).removeprefix('torch.')}, in "
            "which numbers are kept and nothing is computed; open it in another dtype: "
            "net.to(torch.bfloat16)"
        )
    absent = next((name for name, x in held if x.is_meta), None)
    if absent is not None:
        raise ModelError(
            f"the weights of this {type(net).__name__} are not in memory ({absent} is on the meta "
            "device: offloaded, or not loaded yet); load it without device_map, or onto one device"
        )
    packed = next(
        (name for name, m in net.named_modules() if type(m).__module__.startswith(_PACKED)), None
    )
    if packed is not None:
        raise ModelError(
            f"{packed} of this {type(net).__name__} is quantised to int8 by PyTorch: its scales "
            "are of each batch, and its weights are packed; open the network as it was before it "
            "was quantised"
        )
    _check_rows(net)


def _check_rows(net: nn.Module) -> None:
    """Refuse 8 bits with a threshold: a column with an outlier in any row of a batch is computed
    otherwise in all rows.
    """
    for name, module in net.named_modules():
        threshold = getattr(getattr(module, "state", None), "threshold", 0.0)
        if type(module).__name__ == "Linear8bitLt" and threshold > 0:
            raise ModelError(
                f"{name} of this {type(net).__name__} is quantised to 8 bits by bitsandbytes with "
                f"a threshold of {threshold:g} for outliers, which are looked for in a whole "
                "batch, so that an example depends on the others; load it with "
                "llm_int8_threshold=0 or in 4 bits, or open it as it was before it was quantised"
            )


#: types in which PyTorch keeps numbers, and adds none
_STORED = frozenset(f"torch.{name}" for name in dir(torch) if name.startswith("float8_"))
#: modules of PyTorch's own quantisation, static and dynamic
_PACKED = (
    "torch.ao.nn.quantized",
    "torch.ao.nn.intrinsic.quantized",
    "torch.ao.nn.sparse.quantized",
)


#: how a model of the Hub is named: OWNER/NAME, or NAME of the oldest
_HUB = re.compile(r"(?!.*(?:--|\.\.))\w[\w.-]{0,95}(?:/\w[\w.-]{0,95})?", re.ASCII)


def _locate(
    what: str, revision: str | None, progress: Callable[[int, int], None] | None
) -> tuple[str, dict[str, str]]:
    """A folder (or Hub id) to load from, and where it comes from."""
    if what in zoo.available():
        return str(zoo.fetch(what, progress)), zoo.available()[what].source
    path = Path(what).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"there is no file {what!r}; give the path of a GGUF file")
        return str(gguf.converted(path)), {"from": f"GGUF file {path.name}"}
    if path.is_dir():
        if not (path / "config.json").is_file():
            if (path / "adapter_config.json").is_file():
                raise ModelError(
                    f"the folder {what!r} holds an adapter and no model; open the model that it "
                    "was trained on, and attach it (inscape.control.load_adapters), or open the "
                    "live PeftModel"
                )
            raise ModelError(
                f"the folder {what!r} holds no config.json: give one in Hugging Face's layout, or "
                "a GGUF file"
            )
        return str(path), {"from": f"folder {path.name}"}
    if path.is_absolute() or what.startswith((".", "~")) or what.count("/") > 1 or path.exists():
        raise ModelError(
            f"{what!r} is neither a folder nor a .gguf file; give the path of one, a zoo name or a "
            "Hub id"
        )
    if not _HUB.fullmatch(what):
        toy = f"; a toy world is for studies: inscape run STUDY --model {what}"
        raise ModelError(
            f"there is no model {what!r}, and no name of the Hub looks like it"
            f"{toy if what.startswith('world:') else ''}. {suggest(what, zoo.available())} "
            "You can also give a folder, a GGUF file or a Hub id."
        )
    if "/" not in what:
        _answer_soon(what, revision)
    return what, {"from": f"Hub {what}" + (f"@{revision}" if revision else "")}


def _answer_soon(what: str, revision: str | None) -> None:
    """Refuse a word that is no model of the Hub's, within seconds: the loaders try for many where
    the Hub is not reached.

    Old models of the Hub have no owner in their name (``gpt2``), and so looks every name that was
    mistyped.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    if constants.HF_HUB_OFFLINE or isinstance(
        try_to_load_from_cache(what, "config.json", revision=revision), str
    ):
        return  # there is nothing to wait for
    try:
        get_hf_file_metadata(hf_hub_url(what, "config.json", revision=revision), timeout=_SOON)
    except GatedRepoError:
        return  # it exists, and its loader says what is missing
    except HfHubHTTPError as error:
        if error.response.status_code < 500:
            raise _explained(what, error) from error
        raise ModelError(_UNREACHED % (what, suggest(what, zoo.available()))) from error
    except (
        Exception
    ) as error:  # no network has many names, which differ between versions of the client
        raise ModelError(_UNREACHED % (what, suggest(what, zoo.available()))) from error


#: seconds in which the Hub must say whether it has a name
_SOON = 5.0
_UNREACHED = (
    "there is no model %r on this machine, and the Hub cannot be reached. %s "
    "You can also give a folder or a GGUF file."
)


def _load(
    where: str, dtype: torch.dtype, trust: bool, what: str, revision: str | None
) -> tuple[nn.Module, Callable[[], Any]]:
    """The network, and what reads its tokenizer."""
    import transformers
    from transformers import AutoConfig, AutoTokenizer

    extra = {"revision": revision} if revision else {}
    method: str | None = None
    try:
        held = _check_files(where, what, trust, extra)
        config = AutoConfig.from_pretrained(where, trust_remote_code=trust, **extra)
        if (
            getattr(config, "auto_map", None)
            and not trust
            and config.__class__.__module__.startswith("transformers_modules")
        ):
            raise ModelError(
                f"{what} comes with code of its own; read it, then open it with "
                "trust_remote_code=True"
            )
        kind = _class_of(config, trust, transformers)
        checkpoint_files.own_attention(config)
        method = checkpoint_files.quantised(config)
        if not trust and method is None:
            checkpoint_files.check_amount(kind, config, held, dtype, what)
        net, found = _weights(kind, where, config, dtype, trust, extra)
        if _only_head_missing(net, found):
            # many encoders are published without the head of the class that their configuration
            # names
            log.warning(
                "%s has no weights for the head of %s; its body is opened", what, kind.__name__
            )
            net, found = _weights(transformers.AutoModel, where, config, dtype, trust, extra)
        _check_complete(what, found)
        _check_rows(net)
    except (InscapeError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a damaged or foreign checkpoint makes of its readers
        if method is not None:
            needs = checkpoint_files.PACKAGES.get(method)
            raise ModelError(
                f"{what} is quantised ({method}), and it cannot be opened so here "
                f"({reason(error)}); install what that needs"
                f"{f' (pip install {needs})' if needs else ''}, or open the checkpoint that it was "
                "made from"
            ) from error
        raise _explained(what, error) from error
    return net, lambda: _tokenizer(AutoTokenizer, where, trust, extra)


def _files_of(where: str, revision: str | None) -> Path | None:
    """The folder that holds the files just loaded: of a model of the Hub the one in the Hub's
    cache.
    """
    if Path(where).is_dir():
        return Path(where)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(where, checkpoint_files.CONFIG, revision=revision)
    return Path(found).parent if isinstance(found, str) else None


def _check_files(where: str, what: str, trust: bool, extra: dict[str, str]) -> int | None:
    """The checkpoint's files, before any is loaded; of a model of the Hub its small files are
    fetched for that.

    Gives how many numbers the weights hold; None where they are not here yet.
    """
    if Path(where).is_dir():
        return checkpoint_files.check(where, what, trust=trust)
    from transformers.utils import cached_file

    quiet = {"_raise_exceptions_for_missing_entries": False, **extra}
    names = ("modules.json", "tokenizer_config.json", checkpoint_files.INDEX)
    config = cached_file(where, checkpoint_files.CONFIG, **extra)
    for name in names:
        cached_file(where, name, **quiet)
    checkpoint_files.check_named(Path(config).parent, what, trust=trust)
    return None


@contextmanager
def _quietly() -> Iterator[None]:
    """The libraries' own bars, retries and load reports kept back; what matters of them is said in
    our own errors.
    """
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging as hf_logging

    bar, levels = (
        hf_logging.is_progress_bar_enabled(),
        (hf_logging.get_verbosity(), hub_logging.get_verbosity()),
    )
    hf_logging.disable_progress_bar()
    hf_logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    try:
        yield
    finally:
        hf_logging.set_verbosity(levels[0])
        hub_logging.set_verbosity(levels[1])
        if bar:
            hf_logging.enable_progress_bar()


def _weights(
    kind: Any, where: str, config: Any, dtype: torch.dtype, trust: bool, extra: dict[str, str]
) -> tuple[nn.Module, dict[str, Any]]:
    """A network of a class with a checkpoint's weights, and what was said of their names."""
    net, found = kind.from_pretrained(
        where,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust,
        output_loading_info=True,
        **extra,
    )
    return net, found


def _only_head_missing(net: nn.Module, found: dict[str, Any]) -> bool:
    """Whether what a checkpoint lacks is of the head alone, above a body that is whole."""
    body = str(getattr(net, "base_model_prefix", ""))
    missing = [k for k in found["missing_keys"] if "pooler" not in k]
    return bool(
        body
        and getattr(net, body, net) is not net
        and missing
        and not any(key.startswith(f"{body}.") for key in missing)
    )


def _check_complete(what: str, found: dict[str, Any]) -> None:
    """Refuse a checkpoint that leaves weights random: nothing read from them would be the
    model's.
    """
    # a pooler stands after the last site, and many encoders are published without one
    missing = sorted(k for k in found["missing_keys"] if "pooler" not in k)
    if missing:
        raise ModelError(
            f"{what} lacks {len(missing)} of the weights that its config.json asks for, such as "
            f"{missing[0]!r}, and they would be random; fetch the checkpoint again, or repair its "
            "config.json"
        )


def _class_of(config: Any, trust: bool, transformers: Any) -> Any:
    """The class the checkpoint was saved from; a causal language model, or the bare body, where it
    does not say.
    """
    if trust and getattr(config, "auto_map", None):
        return (
            transformers.AutoModelForCausalLM
            if "AutoModelForCausalLM" in config.auto_map
            else transformers.AutoModel
        )
    named = [getattr(transformers, n, None) for n in config.architectures or []]
    nets = [c for c in named if isinstance(c, type) and issubclass(c, transformers.PreTrainedModel)]
    return next(iter(nets), transformers.AutoModel)


def _tokenizer(auto: Any, where: str, trust: bool, extra: dict[str, str]) -> Any:
    folder = Path(where)
    if folder.is_dir() and not any(folder.glob("tokenizer*")) and not any(folder.glob("vocab*")):
        return None
    try:
        return auto.from_pretrained(where, trust_remote_code=trust, **extra)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a damaged or foreign file makes of its reader
        log.warning("%s has no usable tokenizer: %s", where, reason(error))
        return None


def _explained(what: str, error: BaseException) -> InscapeError:
    text = str(error)
    if "trust_remote_code" in text:
        return ModelError(
            f"{what} comes with code of its own; read it, then open it with trust_remote_code=True"
        )
    if "safetensors" in text and (
        "no file named" in text or "does not appear to have" in text or "use_safetensors" in text
    ):
        return ModelError(
            f"{what} has no safetensors weights, and pickled weights are never read; convert them "
            "first"
        )
    if Path(what).expanduser().exists() or what in zoo.available():
        return ModelError(
            f"{what} cannot be loaded ({reason(error)}); fetch the checkpoint again, or repair its "
            "config.json"
        )
    if what.count("/") == 0:
        return ModelError(
            f"there is no model {what!r}. {suggest(what, zoo.available())} "
            "You can also give a folder, a GGUF file or a Hub id."
        )
    return ModelError(
        f"the Hub model {what!r} could not be downloaded ({reason(error)}); check its name and "
        "your connection, or open a local folder, a GGUF file, or a model that needs no Hub: "
        f"{', '.join(zoo.available())}"
    )


def _dtype(name: str | None) -> torch.dtype:
    choices = {n: getattr(torch, n) for n in ("float32", "bfloat16", "float16", "float64")}
    if name is not None and name not in choices:
        raise ModelError(f"dtype {name!r} is not known. {suggest(name, choices)}")
    return choices[name or "float32"]


def _device(name: str) -> torch.device:
    try:
        place = torch.device(name)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        first = (str(error) or "no reason given").splitlines()[0]
        # a word that is no device is answered by PyTorch with all that any build of it knows
        why = "" if first.startswith("Expected one of") else f" ({first})"
        raise ModelError(
            f"the device {name!r} cannot be used here{why}; use cpu, or another device"
        ) from error
    return place


def _short_name(what: str | Path) -> str:
    text = str(what)
    return Path(text).stem if text.endswith(".gguf") or Path(text).is_dir() else text
