"""From sites to places in a network: which module, which side, and how the tensor lies there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from inscape.core.errors import ModelError, SiteError, suggest
from inscape.core.site import HEAD_POINTS, Site
from inscape.model.axes import Axes
from inscape.model.family import Family
from inscape.model.layout import View
from inscape.model.registry import body_of, config_of, has, runs_of

#: modules without a forward pass of their own
_LISTS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


@dataclass(frozen=True)
class Place:
    """Where one site is in one network.

    Attributes:
        module: the module.
        side: its input (``in``) or its output (``out``).
        index: which element, where it gives a tuple.
        view: how the tensor lies there.
        editable: whether it may be edited.
        axes: of a module site, as `inscape.model.axes.learn` found them; None where it found none.
        looked: whether its axes are those found, as of a module site, and not its point's.
        call: which of the module's calls in a pass, from 0.
        calls: how often a pass calls it.
        apart: whether its positions are not the model's own, but those of an encoder beside it.
    """

    module: nn.Module
    side: str
    index: int = 0
    view: View = field(default_factory=View)
    editable: bool = True
    axes: Axes | None = field(default_factory=Axes)
    looked: bool = False
    call: int = 0
    calls: int = 1
    apart: bool = False

    def read(self, x: Tensor, size: int) -> Tensor:
        """The site's tensor with the examples first; as it is, where no axis is shown to be
        theirs.
        """
        found = self.view.read(x, size)
        return self.axes.front(found, size) if self.looked and self.axes is not None else found

    def write(self, x: Tensor, size: int, change: Callable[[Tensor], Tensor]) -> Tensor:
        """A copy of a tensor in which what `read` gives is changed."""
        if self.looked and self.axes is not None:
            return self.axes.back(change(self.axes.front(x, size)))
        return self.view.write(x, size, change)

    def has_positions(self, h: Tensor) -> bool:
        """Whether axis 1 of what `read` gave is the positions'."""
        if not self.looked:
            return h.ndim == 3
        return self.axes is not None and self.axes.has_positions and h.ndim > 1


class Atlas:
    """Every site of one network and its place.

    Args:
        net: the network.
        family: the facts of its family, or None: then its submodules are its sites.

    Attributes:
        body: the module that the family's paths begin at.
        runs: the module that is run when no logits are asked for: the body, or what holds it and
            its encoder.
        blocks: the blocks in the order in which they are called; one that is called several times
            stands there as often.
        sites: canonical sites in the order of computation (submodule sites where there is no
            family).
        order: the place of each canonical site in that order.
        axes: of module sites, as far as they were looked for; None where none was found.
    """

    def __init__(self, net: nn.Module, family: Family | None):
        self.net, self.family = net, family
        self.config: Any = config_of(net, family)
        self.body, self.runs = body_of(net, family), runs_of(net, family)
        self.order: dict[Site, int] = {}
        self.axes: dict[Site, Axes | None] = {}
        self.blocks: list[nn.Module] = []
        if family is None:
            self.sites = list(self.module_sites())
            return
        self.blocks = (
            list(_child(self.body, family.blocks, family.name))
            if isinstance(family.blocks, str)
            else [_child(self.body, path, family.name) for path in family.blocks]
        )
        if not self.blocks:
            raise ModelError(
                f"this {type(net).__name__} has no blocks, so there is nothing inside it to look "
                "at; open one that has"
            )
        self.sites = [Site("embed")]
        for layer in range(len(self.blocks)):
            self.sites += [Site(point, layer) for point in family.points]
        self.sites += [Site("final_norm")] if family.final_norm else []
        self.sites += [Site("logits")] if self.head is not None else []
        self.order = {site: i for i, site in enumerate(self.sites)}

    @property
    def head(self) -> nn.Module | None:
        """The unembedding (or classifier), if this network has one."""
        if self.family is None or not self.family.head:
            return None
        ours = not hasattr(self.net, "base_model")  # written by hand, its body and head in one
        if self.runs is self.net and not self.family.decoder and not ours:
            return None
        found = (
            self.net.get_submodule(self.family.head) if has(self.net, self.family.head) else None
        )
        return found if found is not None and not isinstance(found, nn.Identity) else None

    @property
    def final_norm(self) -> nn.Module | None:
        """The last norm, if the family has one."""
        return (
            _child(self.body, self.family.final_norm, "")
            if self.family and self.family.final_norm
            else None
        )

    @property
    def after(self) -> nn.Module | None:
        """The projection between the last norm and the unembedding, if the family has one."""
        path = self.family.after if self.family else ""
        return _child(self.body, path, "") if path else None

    def module_sites(self) -> Iterator[Site]:
        """The input and output of every submodule, but of those that only hold what others call."""
        for path, module in self.net.named_modules():
            if path and not isinstance(module, _LISTS):
                yield Site("module", path=path, side="in")
                yield Site("module", path=path, side="out")

    def heads(self, site: Site) -> int:
        """How many heads a site's tensor has; 1 where it has none."""
        if site.point not in HEAD_POINTS:
            return 1
        assert self.family is not None
        count = int(
            getattr(self.config, self.family.heads, None) or self.config.encoder_attention_heads
        )
        grouped = self.family.groups
        if grouped is None and self.family.heads == "num_attention_heads":
            grouped = getattr(self.config, "num_key_value_heads", None)
        return int(grouped) if site.point in ("k", "v") and grouped else count

    def calls(self, layer: int) -> tuple[int, int]:
        """Which call of its module a block is, from 0, and how many calls of it there are in a
        pass.
        """
        block = self.blocks[layer]
        before = sum(other is block for other in self.blocks[:layer])
        return before, sum(other is block for other in self.blocks)

    def place(self, site: Site) -> Place:
        """Where a site is; one that this network does not have is refused with the choices."""
        if site.point == "module":
            modules = dict(self.net.named_modules())
            if site.path not in modules:
                raise SiteError(
                    f"this model has no module {site.path!r}. "
                    f"{suggest(site.path, filter(None, modules))}"
                )
            axes = self.axes.get(site)
            return Place(modules[site.path], site.side, axes=axes, looked=True)
        if site.whole not in self.order or self.family is None:
            raise SiteError(
                f"this model has no site {site}. {suggest(str(site), map(str, self.sites))}"
            )
        if site.point == "embed":
            return Place(self.blocks[0], "in", view=View(tokens=True), calls=self.calls(0)[1])
        if site.point == "final_norm":
            assert self.final_norm is not None
            return Place(self.final_norm, "out", view=View(tokens=True))
        if site.point == "logits":
            assert self.head is not None
            return Place(self.head, "out")
        tap = self.family.points[site.point]
        heads = self.heads(site)
        if site.head is not None and site.head >= heads:
            raise SiteError(
                f"this model has no site {site}: {site.whole} has heads 0 to {heads - 1}."
            )
        block = self.blocks[site.layer or 0]
        module = _child(block, tap.path, self.family.name)
        shared = (1, 1)
        if site.point in HEAD_POINTS:
            shared = self.heads(Site("q", 0)), self.heads(Site("k", 0))
        factor = getattr(block, tap.factor) if isinstance(tap.factor, str) else tap.factor
        pattern = site.point.endswith("pattern")
        view = View(tap.layout, heads, site.head, pattern, True, shared, factor, tap.span)
        call, calls = self.calls(site.layer or 0)
        apart = site.point in ("cross_k", "cross_v")
        return Place(
            module, tap.side, tap.index, view, tap.editable, call=call, calls=calls, apart=apart
        )


def _child(module: nn.Module, path: str, family: str) -> Any:
    try:
        return module.get_submodule(path)
    except AttributeError as error:
        raise ModelError(
            f"the table of the family {family!r} names {path!r}, which {type(module).__name__} "
            "does not have; this is another architecture under the same name: use module:PATH "
            "sites, or write its family's table"
        ) from error
