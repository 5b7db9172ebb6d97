"""What a pass gives back: activations by site, and the logits if they were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from inscape.core.errors import SiteError, suggest
from inscape.core.shown import Shown, short, some
from inscape.core.site import Site, translate


@dataclass(frozen=True, repr=False)
class Activations(Mapping[Site, Tensor]):
    """Captured tensors; look one up by a `Site` or its name.

    Attributes:
        tensors: site → (batch, positions, width), or (batch, kept, width) where positions were
            named.
        logits: (batch, positions or kept, vocabulary), or None.
        grads: site → gradient of the scalar asked for, same shape as the activation.
    """

    tensors: dict[Site, Tensor]
    logits: Tensor | None = None
    grads: dict[Site, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        return str(self._shown())

    def _repr_html_(self) -> str:
        return self._shown().html()

    def _shown(self) -> Shown:
        sites = list(self.tensors)
        kept = some(len(sites), 20)
        rows = []
        for site in (sites[i] for i in kept):
            x = self.tensors[site]
            norms = x.detach().float().norm(dim=-1) if x.dim() else x.detach().float().abs()
            shape = "×".join(map(str, x.shape))
            rows.append(
                (
                    str(site),
                    shape,
                    str(x.dtype).removeprefix("torch."),
                    short(float(norms.median())),
                )
            )
        more = [] if self.logits is None else [f"logits: {'×'.join(map(str, self.logits.shape))}"]
        more += [f"gradients of {len(self.grads)} sites in .grads"] if self.grads else []
        more += [f"{len(kept)} of {len(sites)} sites are shown."] if len(kept) < len(sites) else []
        heads = ("site", "shape", "dtype", "median norm") if rows else ()
        return Shown(f"Activations of {len(sites)} sites", heads, rows, tuple(more), (3,))

    def __getitem__(self, site: Site | str) -> Tensor:
        key = Site.parse(translate(site) if isinstance(site, str) else site)
        if key not in self.tensors:
            raise SiteError(f"{key} was not captured. {suggest(str(key), map(str, self.tensors))}")
        return self.tensors[key]

    def __iter__(self) -> Iterator[Site]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def __contains__(self, site: object) -> bool:
        return isinstance(site, (str, Site)) and Site.parse(site) in self.tensors
