"""Local maps of several prompts: how exact they are, what they decode to, and one prompt's map
applied to another's input.

The detached Jacobian of a prompt (`inscape.read.detached_jacobian`) is decoded by the unembedding
along its left singular vectors, each with the sign that points to the output, and by the input
embedding along its right ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.batch import Tokens
from inscape.core.edit import Add, Scope
from inscape.core.errors import StudyError
from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.matched_rows import spread_rows
from inscape.core.measured import Measured
from inscape.data.examples import Examples
from inscape.model.detach import detached
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.detached_jacobian import LocalMap, local_map, stable_rank

#: the null of `steered_by_others`
RANDOM = "random vectors of the same length"


@dataclass(frozen=True, eq=False)
class Mapped:
    """What one prompt's map showed.

    Attributes:
        residual: relative error of its reconstruction.
        predicted: the token that the model goes on with.
        said: for each of the first left singular vectors, tokens it decodes to, most first.
        said_each: the same of each token's own map, one token after another.
        read: for each of the first right singular vectors, tokens whose embeddings its last token's
            part lies along.
        rank: stable rank of the whole map.
        last_rank: stable rank of the last token's part.
        singular: singular values over the largest, the first fifty.
    """

    residual: float
    predicted: int
    said: list[list[int]]
    said_each: list[list[list[int]]]
    read: list[list[int]]
    rank: float
    last_rank: float
    singular: Float[np.ndarray, " r"]

    def names(self, token: int, vectors: int) -> bool:
        """Whether a token is among those that the first vectors decode to."""
        return any(token in said for said in self.said[:vectors])

    def each_names(self, token: int, vectors: int) -> Float[np.ndarray, " tokens"]:
        """Whether it is among those of each token's own map, 1 or 0 each."""
        own = [any(token in said for said in each[:vectors]) for each in self.said_each]
        return np.array(own, dtype=np.float64)


class ShortPrompts(NamedTuple):
    """Prompts that are short enough to be mapped.

    Attributes:
        tokens: of each prompt.
        groups: its relation, 0 … G − 1; each its own where the examples have no such column.
    """

    tokens: list[Tokens]
    groups: Int[np.ndarray, " n"]


def short_prompts(
    model: Model,
    examples: Examples,
    count: int,
    *,
    least: int = 4,
    most: int = 12,
    rng: np.random.Generator,
) -> ShortPrompts:
    """Texts of a few tokens, drawn evenly over the values of the column ``relation``: the map of a
    prompt has a matrix for each of its tokens.

    Args:
        model: whose tokens.
        examples: the texts.
        count: prompts at most.
        least, most: tokens of a prompt.
        rng: draws them.

    Raises:
        StudyError: fewer than two texts are as short.
    """
    fits = [least <= len(t) <= most for t in model.tokenize(examples.texts())]
    if sum(fits) < 2:
        raise StudyError(
            f"Fewer than two texts have {least} to {most} tokens; give shorter ones, the map of a "
            "long prompt is large."
        )
    short = examples.take(np.flatnonzero(fits))
    of = np.asarray(short.frame["relation"] if "relation" in short.frame else range(len(short)))
    rows = spread_rows(of, count, rng=rng)
    return ShortPrompts(model.tokenize(short.take(rows).texts()), group_codes(of[rows].astype(str)))


class Named(NamedTuple):
    """Whether first left singular vectors name the token that comes next, prompt by prompt.

    Attributes:
        own: 1 where the whole map's vectors do.
        each: share of the tokens whose own map's vectors do.
        last: 1 where those of the last token's map do.
        other: share of other prompts' tokens that the whole map's vectors name.
        other_each: the same of each token's own map, the mean over tokens.
        near: share of other tokens of prompts of the same group that are named, over all pairs.
        far: the same of other groups; NaN where there is no such pair.
    """

    own: Float[np.ndarray, " n"]
    each: Float[np.ndarray, " n"]
    last: Float[np.ndarray, " n"]
    other: Float[np.ndarray, " n"]
    other_each: Float[np.ndarray, " n"]
    near: float
    far: float


def named(found: Sequence[Mapped], groups: Int[np.ndarray, " n"], vectors: int) -> Named:
    """What the maps of several prompts name: their own next token, and those of the other prompts.

    Args:
        found: one map a prompt.
        groups: of each prompt, such as its relation.
        vectors: how many of the first vectors count.
    """
    rows, near, far = [], [], []
    for m, group in zip(found, groups, strict=True):
        own, each = m.names(m.predicted, vectors), m.each_names(m.predicted, vectors)
        tokens = dict.fromkeys(o.predicted for o in found if o.predicted != m.predicted)
        hits = {token: m.names(token, vectors) for token in tokens}
        strange = [m.each_names(token, vectors) for token in tokens]
        kin = {o.predicted for o, g in zip(found, groups, strict=True) if g == group}
        near += [hit for token, hit in hits.items() if token in kin]
        far += [hit for token, hit in hits.items() if token not in kin]
        other = (np.mean(list(hits.values())), np.mean(strange)) if hits else (0.0, 0.0)
        rows.append((own, each.mean(), each[-1], *other))
    shares = [float(np.mean(x)) if x else float("nan") for x in (near, far)]
    return Named(*np.array(rows, dtype=np.float64).T, *shares)


def mapped(model: Model, tokens: Tokens, top: int = 10, vectors: int = 3) -> Mapped:
    """Map a prompt to its final norm's output and decode the map.

    Args:
        model: a language model.
        tokens: the prompt.
        top: how many tokens a vector decodes to.
        vectors: how many are decoded.
    """
    found = local_map(model, tokens)
    readout = Readout.of(model)
    u, s, v = found.leading(vectors)
    signs = _signs(u, found.output)
    said = _decoded(u * signs, readout, found.output, top)
    weight = model.net.get_input_embeddings().weight.detach()
    d = found.inputs.shape[1]
    read = [_nearest(x[-d:].to(weight.dtype), weight, top) for x in v * signs[:, None]]
    each = [found.leading(vectors, t)[:2] for t in range(len(tokens))]
    said_each = [
        _decoded(left * _signs(left, found.output), readout, found.output, top) for left, _ in each
    ]
    with torch.no_grad():
        predicted = int(readout.scores(found.output).argmax())
    relative = (s / s[0])[:50].cpu().numpy()
    ranks = stable_rank(s), stable_rank(each[-1][1])
    return Mapped(found.residual, predicted, said, said_each, read, *ranks, relative)


def _signs(u: Float[Tensor, "k r"], output: Float[Tensor, " k"]) -> Float[Tensor, " r"]:
    """The sign with which each left singular vector points to the output: of itself it has none."""
    return torch.where(output.double() @ u < 0, -1.0, 1.0).to(u)


def _decoded(u: Float[Tensor, "k r"], readout: Readout, like: Tensor, top: int) -> list[list[int]]:
    """The tokens that each vector favours most."""
    return [readout.scores(x.to(like.dtype)).topk(top).indices.tolist() for x in u.T]


def _nearest(x: Tensor, weight: Tensor, top: int) -> list[int]:
    cosine = weight @ x / weight.norm(dim=1).clamp_min(1e-12)
    return cosine.topk(top).indices.tolist()


def in_double(model: Model) -> Model:
    """A copy in float64."""
    return model.copied("float64", dtype=torch.float64)


def random_directions(
    count: int, width: int, *, rng: np.random.Generator
) -> Float[Tensor, "count width"]:
    """Orthonormal random rows: what is relative on them is so on the whole, on average."""
    q = np.linalg.qr(rng.normal(size=(width, min(count, width))))[0]
    return torch.from_numpy(np.ascontiguousarray(q.T))


def sketched_residual(
    model: Model, tokens: Tokens, directions: Tensor, detach: bool = True
) -> float:
    """Relative error of a prompt's reconstruction, on some directions of the output."""
    return local_map(model, tokens, detach=detach, directions=directions.to(model.dtype)).residual


def change_by_patches(model: Model, tokens: Tokens) -> tuple[float, Tensor]:
    """How far the logits move, relatively, when gates are held constant by patches; and the logits
    themselves."""
    before = model.run([tokens], logits=True).logits
    with detached(model):
        after = model.run([tokens], logits=True).logits
    assert before is not None
    assert after is not None
    return float((after - before)[0, -1].norm() / before[0, -1].norm()), before[0, -1]


class Checked(NamedTuple):
    """How exact one prompt's map is.

    Attributes:
        float64: relative error of the reconstruction in float64, on some directions.
        ordinary: that of the ordinary Jacobian, whose gates vary, in the model's own precision.
        changed: how far the logits move, relatively, when gates are held constant.
        logits: of the last token.
    """

    float64: float
    ordinary: float
    changed: float
    logits: Float[Tensor, " vocabulary"]


def checked(model: Model, double: Model, tokens: Tokens, directions: Tensor) -> Checked:
    """Check one prompt's map on some directions of the output.

    Args:
        model: the model.
        double: its copy in float64.
        tokens: the prompt.
        directions: orthonormal rows, as `random_directions` gives them.
    """
    changed, logits = change_by_patches(model, tokens)
    exact = sketched_residual(double, tokens, directions)
    plain = sketched_residual(model, tokens, directions, detach=False)
    return Checked(exact, plain, changed, logits)


class Exactness(NamedTuple):
    """How exact the maps of several prompts are.

    Attributes:
        frame: ``prompt``, ``tokens`` (how many), and relative errors: of the reconstruction in
            ``float32`` (in whole), in ``float64`` and by the ``ordinary Jacobian`` (both on some
            directions), and ``logits changed`` when gates are held constant.
        another: relative difference of each prompt's logits from those of the one before, (n − 1,):
            how much a change that changes the answer is.
    """

    frame: pd.DataFrame
    another: Float[np.ndarray, " pairs"]


def exactness(
    model: Model, tokens: Iterable[Tokens], found: Sequence[Mapped], directions: Tensor
) -> Exactness:
    """`checked` for every prompt.

    Args:
        model: the model.
        tokens: the prompts.
        found: their maps, for the error in float32.
        directions: orthonormal rows, as `random_directions` gives them.
    """
    double, rows, logits = in_double(model), [], []
    for prompt, m in zip(tokens, found, strict=True):
        check = checked(model, double, prompt, directions)
        logits.append(check.logits)
        row = {"prompt": prompt.text, "tokens": len(prompt), "float32": m.residual}
        errors = {"float64": check.float64, "ordinary Jacobian": check.ordinary}
        rows.append(row | errors | {"logits changed": check.changed})
    pairs = zip(logits[1:], logits, strict=False)
    another = [float((a - b).norm() / b.norm()) for a, b in pairs]
    return Exactness(pd.DataFrame(rows), np.array(another, dtype=np.float64))


def final_ranks(maps: Mapping[str, Sequence[Mapped]]) -> pd.DataFrame:
    """Median stable rank of the map to the final norm over prompts: ``series``, ``whole prompt``
    and ``last token``.

    Args:
        maps: model → its prompts' maps.
    """
    rows = [(name, m.rank, m.last_rank) for name, own in maps.items() for m in own]
    frame = pd.DataFrame(rows, columns=["series", "whole prompt", "last token"])
    return frame.groupby("series").median().reset_index()


def decodes(
    model: Model, tokens: Sequence[Tokens], found: Sequence[Mapped], vectors: int
) -> pd.DataFrame:
    """What the first singular vectors of prompts' maps decode to, six tokens each.

    Args:
        model: whose tokens.
        tokens: the prompts.
        found: their maps.
        vectors: how many of each.
    """

    def words(ids: list[int]) -> str:
        return " ".join(repr(model.tokenizer.decode([i])) for i in ids[:6])

    rows = [
        {
            "prompt": t.text,
            "goes on with": model.tokenizer.decode([m.predicted]),
            "named": m.names(m.predicted, vectors),
            "vector": k + 1,
            "left vector says": words(m.said[k]),
            "right vector lies along": words(m.read[k]),
        }
        for t, m in zip(tokens, found, strict=True)
        for k in range(vectors)
    ]
    return pd.DataFrame(rows)


def spectra(maps: Mapping[str, Sequence[Mapped]]) -> pd.DataFrame:
    """Singular values over the largest, ready to be drawn: ``series``, ``x``, ``value`` (the mean
    over prompts), ``low`` and ``high`` (95 % of prompts).

    Args:
        maps: model → its prompts' maps.
    """
    parts = []
    for name, own in maps.items():
        rows = pd.DataFrame([m.singular for m in own]).astype(np.float64)
        band = rows.quantile([0.025, 0.975])
        shown = {"value": rows.mean(), "low": band.loc[0.025], "high": band.loc[0.975]}
        parts.append(pd.DataFrame({"series": name, "x": rows.columns + 1, **shown}))
    return pd.concat(parts, ignore_index=True)


def ranks_by_depth(
    model: Model, tokens: Sequence[Tokens], layers: Sequence[int], keep: int
) -> tuple[pd.DataFrame, list[LocalMap]]:
    """Stable rank of the map from the input vectors to the last token's state after some blocks.

    Args:
        model: the model.
        tokens: the prompts.
        layers: the blocks.
        keep: the one of them whose maps are given back; they are large.

    Returns:
        ``layer``, ``value`` (the mean over prompts), ``low`` and ``high`` (their range); and the
        prompts' maps to one block.
    """
    rows, kept = [], []
    for layer in layers:
        maps = [local_map(model, prompt, f"resid_post.{layer}") for prompt in tokens]
        kept = maps if layer == keep else kept
        ranks = [stable_rank(here.leading(1)[1]) for here in maps]
        ends = {"low": min(ranks), "high": max(ranks)}
        rows.append({"layer": layer, "value": float(np.mean(ranks)), **ends})
    return pd.DataFrame(rows), kept


def steered_by_others(
    model: Model,
    layer: int,
    maps: Sequence[LocalMap],
    tokens: Sequence[Tokens],
    predicted: Sequence[int],
    *,
    draws: int,
    rng: np.random.Generator,
) -> Evidence | None:
    """Rise of a prompt's next token in the other prompts when its map is applied there; null:
    random vectors.

    Args:
        model: the model.
        layer: after which block.
        maps: of the prompts to that layer.
        tokens: the prompts.
        predicted: the token that each goes on with.
        draws: random vectors for each pair.
        rng: draws them.

    Returns:
        The mean over pairs in nats, grouped by the prompt whose map is applied; None where no two
        prompts go on with different tokens.
    """
    several = range(len(maps))
    pairs = [(i, j) for i in several for j in several if predicted[i] != predicted[j]]
    if not pairs:
        return None
    done = [
        steered(model, layer, maps[i], predicted[i], tokens[j], draws=draws, rng=rng)
        for i, j in pairs
    ]
    m = Measured("rise of the steering prompt's token", groups=[i for i, _ in pairs], unit="nats")
    m.put("its map", [rise for rise, _ in done])
    m.put(RANDOM, np.stack([null for _, null in done], axis=1), role="null")
    return m.value("its map", null=RANDOM, where={"added": "its map", "after block": layer})


def steered(
    model: Model,
    layer: int,
    steer: LocalMap,
    token: int,
    target: Tokens,
    *,
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, Float[np.ndarray, " draws"]]:
    """Rise (nats) of a token's log-probability in a prompt when another's map at a layer is applied
    to its last input.

    What the map makes of the target's last input vector is added to the target's last state there,
    as long as that state; random vectors of that length are the null.

    Args:
        model: the model.
        layer: after which block.
        steer: the other prompt's map to that layer.
        token: the token in question.
        target: the prompt that is steered.
        draws: random vectors.
        rng: draws them.
    """
    site = f"resid_post.{layer}"
    seen = model.run([target], [site, "resid_pre.0"])
    state, x = seen[site][0, -1], seen["resid_pre.0"][0, -1]
    v = steer.jacobians[:, -1].to(x.dtype) @ x
    random = torch.from_numpy(rng.normal(size=(draws, len(v)))).to(v)
    vectors = torch.cat([torch.zeros_like(v)[None], v[None], random])
    vectors = vectors * (state.norm() / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12))
    edit = Add(Scope(site, positions="last"), vectors[:, None])
    logits = model.run([target] * len(vectors), logits=True, edits=edit).logits
    assert logits is not None
    logs = logits[:, -1].double().log_softmax(-1)[:, token].cpu().numpy()
    return float(logs[1] - logs[0]), logs[2:] - logs[0]


def depths(layers: int, count: int) -> Sequence[int]:
    """Blocks after which to look, evenly spaced, the last one included."""
    return sorted({round((k + 1) * layers / count) - 1 for k in range(count)})
