"""Certificate: the checks of a checkpoint before its sites are used.

Each item is a small measurement on this checkpoint, with a tolerance for its dtype and the sites it
concerns. A failed item refuses those sites, with its reason; the others stay usable. The
certificate travels into every run.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from inscape.core.home import home
from inscape.core.overwriting import replacing
from inscape.core.shown import Shown
from inscape.core.site import Site, select
from inscape.model import checks, prefix
from inscape.model.item import Item
from inscape.model.network import Network

log = logging.getLogger(__name__)


class Identity(NamedTuple):
    """What a network is.

    Attributes:
        weights: SHA-256 of its weights.
        network: SHA-256 of everything else that decides what it computes.
    """

    weights: str
    network: str


@dataclass(frozen=True)
class Certificate:
    """The checks of one checkpoint.

    Attributes:
        model: its name.
        weights: SHA-256 of its weights.
        items: one `Item` each.
        conditions: dtype, device, versions under which they were measured.
        network: SHA-256 of what it is besides its weights; see `inscape.model.identity`.
    """

    model: str
    weights: str
    items: tuple[Item, ...]
    conditions: dict[str, str] = field(default_factory=dict)
    network: str = ""

    def __str__(self) -> str:
        return str(self._shown())

    def _repr_html_(self) -> str:
        return self._shown().html()

    def _shown(self) -> Shown:
        failed = sum(not item.passed for item in self.items)
        rows = [
            (
                item.name,
                "passed" if item.passed else "FAILED",
                f"{item.value:.2g}",
                f"{item.tolerance:.2g}",
                item.reason,
            )
            for item in self.items
        ]
        verdict = (
            f"{failed} of {len(rows)} checks FAILED" if failed else f"{len(rows)} checks passed"
        )
        heads = ("check", "result", "measured", "allowed", "what was seen")
        notes = (", ".join(f"{k} {v}" for k, v in self.conditions.items() if v),)
        title = f"Certificate of {self.model}: {verdict} (weights {self.weights[:12]})"
        return Shown(title, heads, rows, notes if notes[0] else (), (2, 3))

    @property
    def passed(self) -> bool:
        """Whether every item passed; never so for a network of no known family, of which nothing
        can be measured.
        """
        return all(item.passed for item in self.items)

    def refused(self, sites: list[Site]) -> dict[Site, str]:
        """The sites that failed items concern, with the reason."""
        out: dict[Site, str] = {}
        for item in self.items:
            if not item.passed and item.sites:
                concerned = set(sites) if item.sites == ("*",) else set(select(item.sites, sites))
                for site in concerned:
                    out.setdefault(site, f"{item.name}: {item.reason}")
        return out

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "model": self.model,
            "weights": self.weights,
            "network": self.network,
            "passed": self.passed,
            "items": [asdict(item) | {"sites": list(item.sites)} for item in self.items],
            "conditions": self.conditions,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Certificate:
        """The inverse of `to_dict`."""
        items = tuple(Item(**{**item, "sites": tuple(item["sites"])}) for item in data["items"])
        return cls(
            data["model"], data["weights"], items, data["conditions"], data.get("network", "")
        )


def certify(model: Network, cached: bool = False, weights: str | None = None) -> Certificate:
    """Measure every item on a model, and make the model refuse the sites of those that fail.

    Args:
        model: the model.
        cached: whether a certificate kept of the same network, under the same code and conditions,
            may stand.
        weights: the hash of its weights, where it was computed a moment ago.

    Returns:
        The certificate, also kept as ``model.certificate``.
    """
    conditions = {
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "class": type(model.net).__name__,
        "family": model.family.name if model.family else "",
        "torch": torch.__version__,
        "transformers": _version("transformers"),
        "code": _code_hash(),
    }
    weights, network = weights or model.weights_hash, model.network_hash
    path = home("certificates", _key([weights, network], conditions) + ".json") if cached else None
    found = _kept(path) if path else None
    if found is None:
        model.refused = {}
        # what is written is measured; what was compiled of it has been compared with that
        compiled, model.compiled = model.compiled, None
        try:
            with torch.random.fork_rng(devices=[]):
                items = tuple(_measured(model))
        finally:
            model.compiled = compiled
        found = Certificate(model.name, weights, items, conditions, network)
        if path:
            _keep(path, found)
    model.certificate = found
    model.refused = found.refused(model.sites)
    for item in found.items:
        if not item.passed and item.sites:
            log.warning("%s: certificate item failed: %s: %s", model.name, item.name, item.reason)
    return found


def current(model: Network) -> Identity:
    """What a model is now; where it is no longer what was certified, it is certified again.

    A live network may be trained on, or changed in any other way, between two harvests. What was
    measured of it before is forgotten then. Under edits nothing is measured: a certificate is of
    the model as it is.

    Cost: a tenth of a second for 135 M weights; the certificate's, where something was changed.
    """
    found = Identity(model.weights_hash, model.network_hash)
    if model.notes.setdefault("identity", found) != found:
        model.notes.clear()
        model.atlas.axes.clear()
        model.notes["identity"] = found
    held = model.certificate
    if held is not None and not model.edits and (held.weights, held.network) != found:
        log.info("%s was changed since it was certified; it is certified again", model.name)
        certify(model)
    return found


def _measured(model: Network) -> Iterator[Item]:
    usable = True
    for item in checks.run_all(model):
        usable = usable and (item.passed or item.sites != ("*",))
        yield item
    if usable and not prefix.applies(model, longest=0):
        yield prefix.item(model)


def _kept(path: Path) -> Certificate | None:
    try:
        return Certificate.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, certificate: Certificate) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as fresh:
            fresh.write_text(json.dumps(certificate.to_dict(), indent=1))
    except OSError as error:
        log.info("the certificate is not kept: %s", error)


def _key(network: list[str], conditions: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([network, conditions], sort_keys=True).encode()).hexdigest()


def _code_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)
