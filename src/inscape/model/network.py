"""A network seen as named sites, and its passes: what is captured, edited, differentiated.

`inscape.model.model.Model` adds the verbs that rest on it: `generate`, `tower`, `untrained`.

The numerics are the network's own: nothing is folded, centred or re-implemented, and nothing of it
is changed after a call, whatever was raised inside. A pass stops after the deepest site asked for;
the unembedding is computed only where logits are asked for; only the positions asked for are kept.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from inscape.core.batch import Batch, Tokens, collate, moved, tokenize
from inscape.core.edit import Edit, as_edits
from inscape.core.errors import CertificateError, ModelError, SiteError
from inscape.core.shown import Shown
from inscape.core.site import Site, select
from inscape.model import decoder, identity, lengths
from inscape.model.activations import Activations
from inscape.model.as_batch import AXES, as_batch, known, positions_of
from inscape.model.axes import learn
from inscape.model.blank import blank
from inscape.model.chat import texts_of
from inscape.model.compiled import CompiledBlocks
from inscape.model.family import Family
from inscape.model.hashing import weights_hash, weights_sums
from inscape.model.head_calls import heads_seen
from inscape.model.hooks import Pass, Stop, first_tensor, hooked, pick
from inscape.model.invocation import Fed, feeding, invocation
from inscape.model.modes import evaluating, uncompiled, unwrapped
from inscape.model.pass_state import carrying, trial
from inscape.model.reach import refuse_uncalled, refuse_unread
from inscape.model.registry import built_in, family_of, sees_all, towers
from inscape.model.sound import framed
from inscape.model.taps import Atlas
from inscape.model.within_thread import own_hook, within_thread

#: what can be run: texts, messages, tokens, token ids, a batch, named tensors, or one tensor for a
# plain network
Inputs = str | Iterable[Any] | Batch | Mapping[str, Any] | Tensor

#: packages whose modules are called as often whatever the input
_PACKAGES = ("torch.", "transformers.", "peft.")

#: what a network raises at inputs that are not its own
_FOREIGN = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


#: edits of the enclosing `edited` blocks, by the id of their model; of each thread its own
_STANDING: ContextVar[Mapping[int, tuple[Edit, ...]]] = ContextVar(
    "standing", default=MappingProxyType({})
)


class Network:
    """A network with names for its insides, which can be run; `inscape.model.model.Model` is what
    users hold.

    Args:
        net: the network; it is used as it is, in evaluation mode during each call.
        tokenizer: a Hugging Face tokenizer for text models, or None.
        name: what reports call it.
        family: the facts of its architecture; by default found from its configuration.
        tower: which stack of blocks, of a network of several (``decoder``, ``text``); by default
            the first.

    Attributes:
        given: what was wrapped: the network, or what carries it (PEFT's model, data parallelism).
        certificate: the checks of this checkpoint, or None.
        source: where it came from: package, file, Hub id, licence.
        processor: transformers' image processor or feature extractor, for files of images or sound;
            or None.
        origin: how `inscape.model.open.open` opens it again, on any machine; None for a live
            module.
        notes: what has been measured of it once and need not be again.
        switches: lengths on whose two sides it computes different things; see
            `inscape.model.lengths`.
        compiled: its blocks as `torch.compile` made them, for passes that do not look inside them;
            None by default.
    """

    def __init__(
        self,
        net: nn.Module,
        tokenizer: Any = None,
        name: str = "",
        family: Family | None = None,
        tower: str = "",
    ):
        self.given, net = net, unwrapped(net)
        self.net, self.tokenizer = net, tokenizer
        self.name = name or type(net).__name__
        self.atlas = Atlas(net, family or family_of(net, tower))
        self.family = self.atlas.family
        self.certificate: Any = None
        self.source: dict[str, str] = {}
        self.processor: Any = None
        self.origin: dict[str, Any] | None = None
        self.refused: dict[Site, str] = {}
        self._called_once: set[Site] = set()
        self.notes: dict[str, Any] = {}
        self._hash: tuple[str, str] | None = None
        self._state: frozenset[str] | None = None
        self._rotary = lengths.dynamic(net)
        self.switches = lengths.switches(net)
        self.compiled: CompiledBlocks | None = None

    def __repr__(self) -> str:
        family = self.family.name if self.family else "no family: module:PATH sites"
        return (
            f"{type(self).__name__}({self.name!r}, {family}, {len(self.atlas.blocks)} blocks, "
            f"{self.dtype}, {self.device})"
        )

    def _repr_html_(self) -> str:
        points: dict[str, int] = {}
        for site in self.sites:
            points[site.point] = points.get(site.point, 0) + 1
        rows = [(point, str(count)) for point, count in points.items()]
        proof = self.certificate
        failed = [] if proof is None else [i.name for i in proof.items if not i.passed]
        state = "not certified" if proof is None else "certificate: all checks passed"
        note = f"certificate: FAILED {', '.join(failed)}" if failed else state
        title, notes = repr(self), (f"fed {self.kind}; {note}",)
        return Shown(title, ("point", "sites") if rows else (), rows, notes, (1,)).html()

    @property
    def kind(self) -> str:
        """What it is fed: ``text``, ``image``, ``audio`` or ``array``."""
        if self.family is not None:
            return self.family.kind
        return "text" if self.tokenizer is not None else "array"

    @property
    def towers(self) -> tuple[str, ...]:
        """The names of its network's stacks of blocks, this one's among them; none where there is
        only one.
        """
        return tuple(family.tower for family in towers(self.net) if family.tower)

    @property
    def causal(self) -> bool:
        """Whether a token sees none that follow it: as its family says; of a network of none,
        whether it continues texts.
        """
        if self.family is not None:
            return self.kind == "text" and self.family.causal
        continues = bool(getattr(self.net, "can_generate", lambda: False)())
        config = self.atlas.config
        return (
            continues and not getattr(config, "is_encoder_decoder", False) and not sees_all(config)
        )

    @property
    def sites(self) -> list[Site]:
        """Its sites in the order of computation; ``module:PATH:in|out`` of any submodule may be
        asked for besides.
        """
        return self.atlas.sites

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.net.parameters(), torch.zeros(0)).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of its weights, in which it computes."""
        return next(
            (p.dtype for p in self.net.parameters() if p.is_floating_point()), torch.float32
        )

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits of the enclosing `edited` blocks of this thread."""
        return _STANDING.get().get(id(self), ())

    @property
    def weights_hash(self) -> str:
        """SHA-256 of its weights as they now are; taken again where they were changed since."""
        sums = weights_sums(self.net)
        if self._hash is None or self._hash[0] != sums:
            self._hash = (sums, weights_hash(self.net))
        return self._hash[1]

    def hashed(self, sums: str, weights: str) -> None:
        """Be told the hashes of the weights as they now are, by whoever computed them while
        loading.
        """
        self._hash = (sums, weights)

    @property
    def network_hash(self) -> str:
        """SHA-256 of what it is besides its weights; see `inscape.model.identity`."""
        found = identity.pieces(self.net)
        if self.family is not None:
            facts = {f.name: getattr(self.family, f.name) for f in fields(self.family) if f.compare}
            found["family"] = repr(facts)
        return identity.digest(found, self._state or ())

    def select(self, patterns: str | Site | Sequence[str | Site]) -> list[Site]:
        """The sites that patterns name; see `inscape.core.site`. Refused sites are refused with
        their reason.
        """
        wanted = [patterns] if isinstance(patterns, (str, Site)) else list(patterns)
        order = self.atlas.order
        if wanted and all(isinstance(site, Site) and site in order for site in wanted):
            # sites, not patterns, as every pass of a harvest asks: there is nothing to match
            return self._allowed(
                sorted({site for site in wanted if isinstance(site, Site)}, key=order.__getitem__)
            )
        available = self.sites
        if self.family is not None and any("module:" in str(p) for p in wanted):
            available = [*self.sites, *self.atlas.module_sites()]
        return self._allowed(select(wanted, available))

    def width(self, site: Site | str) -> int:
        """The size of a site's last axis, found by running two tokens, a blank image or silence.

        Raises:
            ModelError: a network of no family: what it is fed is not known.
        """
        chosen = self.select(site)
        if len(chosen) != 1:
            raise SiteError(f"width: one site is asked for, {site!r} names {len(chosen)}")
        found = self.run(blank(self), chosen)
        return int((found.logits if chosen[0].point == "logits" else found[chosen[0]]).shape[-1])

    def _whole(self, batch: Batch, sites: Sequence[Site]) -> dict[Site, Tensor]:
        """Tensors of module sites as their modules give them; those that are not computed once are
        left out.
        """
        out: dict[Site, Tensor] = {}
        twice: set[Site] = set()
        mine = within_thread()

        def catcher(site: Site) -> Any:
            def catch(value: Any) -> None:
                if not mine():
                    return
                with suppress(SiteError):
                    found = pick(value, 0, site).detach().clone()
                    twice.update({site} & out.keys())
                    out[site] = found

            if site.side == "out":
                return lambda _m, _args, value: catch(value)
            return lambda module, args, kwargs: catch(first_tensor(module, args, kwargs))

        handles = []
        batch = batch.to(self.device)
        decodes = self.family is not None and self.family.decoder
        if decodes and "input_ids" in batch.inputs:
            both = {"decoder_input_ids": batch.inputs["input_ids"]}
            batch = Batch({**both, **batch.inputs}, batch.lengths)
        try:
            for site in sites:
                module = self.atlas.place(site).module
                handles.append(
                    module.register_forward_hook(catcher(site))
                    if site.side == "out"
                    else module.register_forward_pre_hook(catcher(site), with_kwargs=True)
                )
            with trial(self), evaluating(self.net), uncompiled(), torch.no_grad():
                # of one tower among several the others are fed nothing
                whole = len(self.towers) < 2 or decodes
                self._forward(batch, Pass(len(batch), batch.lengths), {}, whole=whole)
        finally:
            for handle in handles:
                handle.remove()
        return {site: x for site, x in out.items() if site not in twice}

    def tokenize(self, texts: Sequence[Any], first: int = 0) -> list[Tokens]:
        """Tokens of each text, unpadded, with the tokenizer's own special tokens.

        Positions in them are those of the model's sites. A decoder beside an encoder has others:
        its `run` takes texts.

        Args:
            texts: the texts; or conversations, lists of messages, which the model's chat template
                makes texts of.
            first: number of the first of them, for messages.

        Raises:
            ModelError: no tokenizer, a text longer than the model takes (the message names its row,
                from 1), or a decoder beside an encoder, of which these would be the encoder's.
            DataError: a text gives no tokens; the message names its row.
        """
        if self.family is not None and self.family.decoder:
            raise ModelError(
                f"texts are read by the encoder of {self.name}, and their positions are none of "
                "its decoder's; use model.tower('encoder'), or give model.run decoder_input_ids "
                "beside them"
            )
        return self.tokens_of(texts, first)

    def tokens_of(self, texts: Sequence[Any], first: int = 0) -> list[Tokens]:
        """As `tokenize`, also where they are what an encoder beside this stack reads."""
        if self.tokenizer is None:
            raise ModelError(
                f"{self.name} has no tokenizer: pass tokenizer=… to open, or run tensors of token "
                "ids"
            )
        limit = self.max_positions
        given = texts_of(self, texts)
        found = tokenize(self.tokenizer, given, first=first) if given else []
        for row, tokens in enumerate(found, first + 1):
            if limit is not None and len(tokens) > limit:
                raise ModelError(
                    f"text {row} has {len(tokens)} tokens ({tokens.text[:40]!r}…) and {self.name} "
                    f"takes {limit}: shorten it, or cut it into several"
                )
        return found

    @property
    def max_positions(self) -> int | None:
        """How many positions it takes, if its configuration says."""
        found = getattr(self.atlas.config, "max_position_embeddings", None)
        if not found or found < 1:  # of relative positions there is no end: -1
            return None
        table = getattr(getattr(self.atlas.body, "embeddings", None), "position_embeddings", None)
        # RoBERTa and those built like it count positions from behind the padding's
        pad = getattr(table, "padding_idx", None)
        return int(lengths.grows(self.net) * int(found)) - (0 if pad is None else int(pad) + 1)

    def collate(
        self, tokens: Sequence[Tokens], marks: Mapping[str, Sequence[np.ndarray]] | None = None
    ) -> Batch:
        """A right-padded batch of examples.

        Raises:
            ModelError: a token id that the model does not have.
        """
        own = getattr(self.atlas.config, "pad_token_id", None)
        pad = getattr(self.tokenizer, "pad_token_id", None)
        if pad is None or (self._pools and own is not None):
            pad = own
        pad = 0 if pad is None or pad < 0 else int(pad)
        if self.family is not None and self.family.causal and not self._pools:
            # no mask goes with these ids and no real token sees a pad: another id keeps
            # transformers from warning of one
            pad = 0 if pad else 1
        for one in tokens:
            known(self, one.ids)
        return collate(tokens, pad, marks)

    def batch(self, inputs: Inputs) -> Batch:
        """Whatever `run` takes, as a batch; see `inscape.model.as_batch`."""
        found = framed(self, as_batch(self, inputs))
        decodes = self.family is not None and self.family.decoder
        return decoder.begun(self, found) if decodes else found

    def run(
        self,
        inputs: Inputs,
        capture: str | Site | Sequence[str | Site] = (),
        *,
        edits: Edit | Sequence[Edit] | None = None,
        at: Tensor | np.ndarray | Sequence[Any] | None = None,
        logits: bool = False,
        grad_of: Callable[[Tensor], Tensor] | None = None,
        forward: Mapping[str, Any] | None = None,
    ) -> Activations:
        """One forward pass: capture sites, under edits.

        A network of no family that carries something from pass to pass (a hidden state, a cache)
        has it afterwards as it was before; see `inscape.model.pass_state`.

        Args:
            inputs: texts, messages (role, content), token ids, a `Batch`, named tensors, or one
                tensor for a plain network; see `inscape.model.as_batch`.
            capture: sites or patterns.
            edits: edits in the order in which they act, after those of an enclosing `edited` block.
            at: positions to keep, (batch, kept) int64, negative from the end of each example; all
                by default. Logits are computed only there.
            logits: whether to compute the logits.
            grad_of: a function of the logits giving a scalar; its gradient at every captured site
                is returned.
            forward: further arguments of the network's own forward, in place of ours; see
                `inscape.model.prefix`.

        Returns:
            Activations by site, detached, on the model's device, in its dtype.

        Raises:
            SiteError: a site that this model does not have, or an edit that does not fit.
            CertificateError: a site whose certificate item failed.
        """
        wanted = self.select(capture) if capture else []
        logits = logits or grad_of is not None or Site("logits") in wanted
        catch = [site for site in wanted if site.point != "logits"]
        if not catch and not logits:
            raise ModelError(
                "run: nothing was asked for; name sites with capture=…, or logits=True"
            )
        batch = self.batch(inputs).to(self.device)
        self._alike(batch)
        at = None if at is None else _whole(at)
        if logits:
            self._refuse_unread_pads(batch)
            self._refuse_others(at)
        before = identity.pieces(self.net) if self._state is None else None
        planned = [
            (site, e)
            for e in [*self.edits, *as_edits(edits)]
            for site in self.select(e.scope.sites)
        ]
        learn(self, [*catch, *(site for site, _ in planned)], batch)
        refuse_unread(self, [site for site, _ in planned], batch)
        ends = _ends(self, batch) if forward is None else None
        _refuse_beyond([edit for _, edit in planned], ends)
        at = None if at is None else moved(_checked_at(at, batch, ends), self.device)
        state = Pass(len(batch), batch.lengths, batch.marks, at, grad_of is not None)
        state.counted = _counted(self, batch)
        inner = [site for site in catch if site.point == "module"]
        stop = not logits and (
            not inner or (self._called_once.issuperset(inner) and self._calls_are_fixed)
        )
        slopes: Activations | None = None
        with ExitStack() as stack:
            stack.enter_context(evaluating(self.net))
            stack.enter_context(carrying(self, batch))
            stack.enter_context(self._as_compiled([*catch, *(site for site, _ in planned)], state))
            stack.enter_context(torch.enable_grad() if grad_of is not None else torch.no_grad())
            if any(site.point.endswith("pattern") for site in catch):
                stack.enter_context(_eager_attention(self.net))
            stack.enter_context(hooked(self.atlas, state, catch, planned, stop))
            if logits and at is not None and grad_of is None:
                stack.enter_context(self._head_only_at(state))
            more = dict(forward or {})
            if (
                self.family is not None
                and self.family.asked
                and any(s.point.endswith("pattern") for s in catch)
            ):
                more["output_attentions"] = True
            out = self._forward(batch, state, more, whole=logits)
            if out is not None:  # the pass was not stopped on its way
                refuse_uncalled(self, [site for site, _ in planned], state.edited)
            if grad_of is not None:  # under the edits, for parts that are computed again
                slopes = self._differentiated(state, catch, out, grad_of)
        if before is not None:
            self._state = identity.changed(before, identity.pieces(self.net))
        if missing := [site for site in catch if site not in state.caught]:
            raise self._missing(missing)
        self._called_once.update(site for site in catch if site.point == "module")
        return self._gathered(state, catch, out if logits else None) if slopes is None else slopes

    def _as_compiled(self, sites: Sequence[Site], state: Pass) -> AbstractContextManager[Any]:
        """Blocks run compiled where they were compiled and the pass does not look inside them; else
        as written.
        """
        made = self.compiled
        if made is None or state.keep_graph or not made.serves(self.atlas, sites):
            return uncompiled()
        return made.running()

    def _forward(self, batch: Batch, state: Pass, more: dict[str, Any], whole: bool) -> Any:
        net = self.net if whole else self.atlas.runs
        inputs = dict(batch.inputs)
        if self.family is not None and self.family.decoder:
            state.step(decoder.positions(inputs))
            inputs["use_cache"] = False
        elif self.kind == "text" and self.family is not None:
            state.step(positions_of(inputs))
            if self.family.causal:
                self._without_mask(inputs)
                inputs["use_cache"] = False
        if net is not self.net and net is self.atlas.body:
            inputs = {name: x for name, x in inputs.items() if not name.startswith(decoder.OWN)}
        elif decoder.needs_start(self, inputs):
            decoder.start(self, inputs, len(batch))
        inputs.update(more)
        if self.family is None:
            _drop_mask(self.name, net, inputs)
        try:
            told = Fed(inputs.get("input_ids"), state.lengths, state)
            with lengths.fresh(self._rotary), feeding(self.net, told):
                if self.family is None and list(inputs) == ["x"] and not _by_name(net, "x"):
                    return net(inputs["x"])
                return net(**inputs)
        except Stop:
            return None
        except _FOREIGN as error:
            shown = [f"{name} {tuple(inputs[name].shape)}" for name in AXES if name in inputs]
            if isinstance(error, torch.OutOfMemoryError) or (self.family is not None and not shown):
                raise
            said = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
            if self.family is not None:
                raise ModelError(
                    f"{self.name} does not run on {', '.join(shown)} ({said}); give pictures or "
                    "sound of the size that its processor makes"
                ) from error
            raise ModelError(
                f"{type(self.net).__name__} does not run on these inputs ({said}); give it what "
                "its own forward takes, as named tensors where it takes several"
            ) from error

    def _without_mask(self, inputs: dict[str, Tensor]) -> None:
        """Leave a causal model's mask of padding out: it is on the right, and no real token sees
        what follows it.

        Beside positions it stays: without it, transformers takes gaps for the beginnings of packed
        documents.
        """
        mask = inputs.get("attention_mask")
        if mask is None or mask.ndim != 2 or "position_ids" in inputs:
            return
        del inputs["attention_mask"]
        pad = getattr(self.atlas.config, "pad_token_id", None)
        if self._pools and pad is not None and "input_ids" in inputs:
            inputs["input_ids"] = inputs["input_ids"].masked_fill(mask == 0, pad)

    def _alike(self, batch: Batch) -> None:
        """Refuse rows in one batch that the model would compute differently alone."""
        if not self.switches or batch.lengths is None:
            return
        held = batch.lengths.tolist()
        if len(set(self.switches.kinds(held).tolist())) > 1:
            raise ModelError(
                f"{self.name} scales its positions by a batch's longest row beyond "
                f"{self.switches.first} tokens, and these "
                f"rows have {min(held)} to {max(held)}: run them apart (a harvest batches only "
                "what is treated alike)"
            )

    def _gathered(self, state: Pass, catch: list[Site], out: Any) -> Activations:
        logits = self._logits(out)
        at_head = state.at is not None and self._head_at() is not None
        if logits is not None and state.at is not None and logits.ndim == 3 and not at_head:
            logits = state.gather(Site("logits"), logits)
        assert logits is None or not logits.requires_grad
        return Activations({site: state.caught[site] for site in catch}, logits)

    def _logits(self, out: Any) -> Tensor | None:
        return out if out is None or isinstance(out, Tensor) else _logits_of(self.name, out)

    def _differentiated(
        self, state: Pass, catch: list[Site], out: Any, grad_of: Callable[[Tensor], Tensor]
    ) -> Activations:
        """What was caught, the logits, and the gradient of a function of these at what was
        caught.
        """
        logits = self._logits(out)
        assert logits is not None
        if missing := [site for site in catch if site not in state.caught]:
            raise self._missing(missing)
        if overwritten := [s for s in catch if state.versions[s] != state.caught[s]._version]:
            raise SiteError(
                f"{overwritten[0]} is overwritten in place after it is read, so it has no "
                "gradient; capture the output of "
                "the module that made it, or build the network with inplace=False"
            )
        if state.at is not None:
            logits = state.gather(Site("logits"), logits)
        state.differentiating = True
        whole = [state.caught[site] for site in catch]
        with torch.enable_grad():  # whatever the caller's own mode is
            scalar = grad_of(logits)
        if not scalar.requires_grad:
            raise _no_gradient(catch[0], bool(state.unrecorded))
        try:
            grads = torch.autograd.grad(scalar, whole, allow_unused=True)
        except RuntimeError as error:
            if "use_reentrant" not in str(error):
                raise
            raise _no_gradient(catch[0], True) from error
        values, found = {}, {}
        for site, x, g in zip(catch, whole, grads, strict=True):
            if g is None or not bool(g.any()):
                raise _no_gradient(site, site in state.unrecorded)
            read = self.atlas.place(site).read
            for store, tensor in ((values, x), (found, g)):
                part = read(tensor, state.size).detach()
                store[site] = part.clone() if state.at is None else state.gather(site, part)
        return Activations(values, logits.detach(), found)

    def _missing(self, sites: Sequence[Site]) -> SiteError:
        return SiteError(
            f"{', '.join(map(str, sites))}: not computed in a forward pass of this model; capture "
            "another site"
        )

    @contextmanager
    def edited(self, edits: Edit | Sequence[Edit]) -> Iterator[Self]:
        """A block inside which `run` and `generate` act under these edits; gone after it, whatever
        was raised.

        It is a block of this thread: whatever others do with the model meanwhile is unedited, a
        thread started inside the block included.
        """
        added = as_edits(edits)
        for edit in added:
            self.select(edit.scope.sites)
        before = self.edits
        self._stand((*before, *added))
        try:
            yield self
        finally:
            self._stand(before)

    def _stand(self, edits: tuple[Edit, ...]) -> None:
        others = {key: held for key, held in _STANDING.get().items() if key != id(self)}
        _STANDING.set({**others, id(self): edits} if edits else others)

    def _allowed(self, sites: list[Site]) -> list[Site]:
        for site in sites:
            if reason := self.refused.get(site.whole):
                raise CertificateError(f"{site} is refused on {self.name}: {reason}")
            if site.head is not None and not self.heads_are_shown(site):
                raise CertificateError(
                    f"{site} is refused on {self.name}: nothing shows which entries of "
                    f"{site.whole} are of which head (no pattern and v in its table whose product "
                    "it is, and no call of attention that gives it head by head); take it whole, "
                    "or name both in the table"
                )
        return sites

    def heads_are_shown(self, site: Site) -> bool:
        """Whether a part of one head is what its name says: an output projection holds of heads in
        any order, the product of pattern and v of one, and so does the call that computes it.
        """
        if self.family is None or not site.point.endswith("z"):
            return True  # of the others, head by head, an identity holds or they are refused
        needed = [f"{site.point.removesuffix('z')}{point}" for point in ("pattern", "v")]
        if any(Site(point, site.layer) in self.refused for point in needed):
            return heads_seen(self, site.point)
        named = all(point in self.family.points for point in needed)
        return named or built_in(self.family) or heads_seen(self, site.point)

    @property
    def _pools(self) -> bool:
        """Whether its head reads one token of each example, the last that is no pad by its id."""
        name = type(self.net).__name__
        return name.endswith("ForSequenceClassification") or "Reward" in name

    def _refuse_unread_pads(self, batch: Batch) -> None:
        """A head that finds its token by the pad's id needs one; one that compares choices needs
        them beside each other.
        """
        ids = batch.inputs.get("input_ids")
        if type(self.net).__name__.endswith("ForMultipleChoice"):
            raise ModelError(
                f"the head of {self.name} compares several choices of one example, and a batch "
                "holds examples; capture sites instead"
            )
        if not self._pools or ids is None or batch.lengths is None:
            return
        short = bool((batch.lengths < ids.shape[1]).any())
        if short and getattr(self.atlas.config, "pad_token_id", None) is None:
            raise ModelError(
                f"the head of {self.name} reads the last token that is no pad, and its "
                "configuration names no pad_token_id; "
                "run examples of one length, or set net.config.pad_token_id"
            )

    def _refuse_others(self, at: Tensor | None) -> None:
        """The logits of a network of several stacks are its decoder's, or compare what its stacks
        give.
        """
        if self.family is None or self.family.decoder or self.atlas.head is not None:
            return
        if len(self.towers) < 2:
            return
        if "decoder" not in self.towers:
            raise ModelError(
                f"{self.name} has no logits: it is one of several towers "
                f"({', '.join(self.towers)}); capture sites instead"
            )
        if at is not None:
            raise ModelError(
                f"the logits of {self.name} are its decoder's, and `at` names positions of its "
                "encoder: leave `at` out, or "
                "use model.tower('decoder')"
            )

    @property
    def _calls_are_fixed(self) -> bool:
        """Whether a module that was called once in a pass is called once in every pass, whatever
        the input.

        A loop of the user's own over steps, in the network or in a module put into it, may call a
        module as often as the input is long, and so does transformers where it computes a layer in
        chunks.
        """
        if not isinstance(self.net, transformers.PreTrainedModel):
            return False
        kinds = {type(module) for module in self.net.modules()}
        if not all(kind.__module__.startswith(_PACKAGES) for kind in kinds):
            return False
        return not getattr(self.atlas.config, "chunk_size_feed_forward", 0)

    def _main_input(self) -> str:
        text = self.family is not None and self.kind == "text"
        return str(getattr(self.atlas.runs, "main_input_name", "input_ids" if text else "x"))

    def _head_at(self) -> nn.Module | None:
        """The head that can be given the positions asked for alone."""
        if self.kind != "text" or invocation(self.net):
            return None  # an adapter on the head acts by position
        return self.atlas.head

    @contextmanager
    def _head_only_at(self, state: Pass) -> Iterator[None]:
        head = self._head_at()
        if head is None:
            yield
            return
        handle = head.register_forward_pre_hook(
            own_hook(lambda _m, args: (state.gather(Site("logits"), args[0]), *args[1:]))
        )
        try:
            yield
        finally:
            handle.remove()


def _no_gradient(site: Site, unrecorded: bool) -> SiteError:
    if unrecorded:
        return SiteError(
            f"{site} has no gradient: the network computes without a graph, under torch.no_grad "
            "or by checkpointing with use_reentrant=True; build it with use_reentrant=False, or "
            "capture another site"
        )
    return SiteError(
        f"the scalar asked for does not depend on {site}: its gradient is zero everywhere"
    )


def _ends(model: Network, batch: Batch) -> Tensor | None:
    """How many positions each example has where the sites are, (batch,); None where its inputs do
    not say.
    """
    both = model.family is None and "decoder_input_ids" in batch.inputs
    decodes = model.family is not None and model.family.decoder
    ids = batch.inputs.get("decoder_input_ids" if decodes else "input_ids")
    if ids is None or both:
        return None
    if batch.lengths is not None:
        return batch.lengths
    return torch.full((len(batch),), ids.shape[1], device=ids.device)


def _whole(at: Any) -> Tensor:
    """Positions given as an array or as lists, as a tensor of whole numbers."""
    try:
        at = at if isinstance(at, Tensor) else torch.as_tensor(np.asarray(at))
    except (TypeError, ValueError) as error:
        raise SiteError(
            f"at must be whole numbers (batch, kept), a row for each example, got {at!r}"
        ) from error
    return at if at.is_floating_point() or at.dtype == torch.bool else at.long()


def _checked_at(at: Tensor, batch: Batch, ends: Tensor | None) -> Tensor:
    """Positions to keep, a row for each example, counted from its beginning; none of them padding
    or beyond.
    """
    rows = len(batch)
    wrong = at.is_floating_point() or at.dtype == torch.bool
    if wrong or at.shape[:1] != (rows,) or (at.ndim != 2 and rows > 1):
        raise SiteError(
            f"at must be whole numbers (batch, kept), a row for each of {rows} examples, got shape "
            f"{tuple(at.shape)} of {str(at.dtype).removeprefix('torch.')}"
        )
    if ends is None or not at.numel():
        return at
    asked, ends = at.reshape(rows, -1), ends.to(at.device)[:, None]
    at = torch.where(asked < 0, asked + ends, asked)
    if bool((outside := (at < 0) | (at >= ends)).any()):
        row = int(outside.any(dim=1).nonzero()[0])
        raise SiteError(
            f"at names position {int(asked[row][outside[row]][0])} of example {row}, which has "
            f"{int(ends[row])}; positions are counted from 0, or from the end by −1, −2, …"
        )
    return at


def _refuse_beyond(edits: Sequence[Edit], ends: Tensor | None) -> None:
    """Refuse positions to edit of which no example has one: the edit would do nothing."""
    longest = None if ends is None else int(ends.max())
    for edit in edits:
        where = edit.scope.positions
        if longest is None or isinstance(where, str) or edit.scope.phase == "generated":
            continue
        if where and not any(-longest <= p < longest for p in where):
            raise SiteError(
                f"an edit of {edit.scope.sites} names position {where[0]}, and the longest example "
                f"has {longest}; positions are counted from 0, or from the end by −1, −2, …"
            )


def _by_name(net: nn.Module, name: str) -> bool:
    """Whether a network's forward takes an input by its name alone."""
    found = inspect.signature(net.forward).parameters.get(name)
    return found is not None and found.kind is inspect.Parameter.KEYWORD_ONLY


def _drop_mask(name: str, net: nn.Module, inputs: dict[str, Any]) -> None:
    """Leave out a mask of ones that a network of no family does not take; refuse one that says
    more.
    """
    mask = inputs.get("attention_mask")
    taken = inspect.signature(net.forward).parameters
    if mask is None or "attention_mask" in taken:
        return
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values()):
        return
    if not bool((mask != 0).all()):
        raise ModelError(
            f"{name} takes no attention_mask, so it would read the padding of these examples; run "
            "examples of one length together, or harvest them, which does so"
        )
    del inputs["attention_mask"]


def _counted(model: Network, batch: Batch) -> int | None:
    """Positions among which a batch's lengths are counted, where nothing says that sites have as
    many.
    """
    mask = batch.inputs.get("attention_mask")
    if model.family is not None or batch.lengths is None or mask is None:
        return None
    return None if "input_ids" in batch.inputs else int(mask.shape[1])


def _logits_of(name: str, out: Any) -> Tensor:
    """The logits in what a network gave: those of its words, where it has several heads.

    Raises:
        ModelError: it has none, or several of which none is the words'.
    """
    for key in ("logits", "prediction_logits"):
        found = getattr(out, key, None)
        if isinstance(found, Tensor):
            return found
    several = [key for key in getattr(out, "keys", list)() if key.endswith("logits")]
    if several:
        raise ModelError(
            f"{name} has several heads ({', '.join(several)}) and none for the next word or the "
            "class; capture sites instead, or the heads as modules"
        )
    raise ModelError(f"{name} has no logits: it is a body without a head; capture sites instead")


@contextmanager
def _eager_attention(net: Any) -> Iterator[None]:
    """Attention that keeps its weights: the fused kernels never make them. A network written by hand
    has one attention, which makes them or not.
    """
    if not hasattr(net, "set_attn_implementation"):
        yield
        return
    before = getattr(net.config, "_attn_implementation", "eager")
    net.set_attn_implementation("eager")
    kept = net.config._attn_implementation != "eager"
    if kept:  # a class that chooses within its attention, and is not changed by that call
        net.config._attn_implementation = "eager"
    try:
        yield
    finally:
        if kept:
            net.config._attn_implementation = before
        net.set_attn_implementation(before)
