"""What becomes of words that reach a language model in pieces: found without a view of the earlier
pieces, written by single updates, and put back as one embedding.

    names_when_cut    the token that a Patchscope names where the last piece may not look at the earlier ones
    update_ranks      the rank of a word's token in what attention or MLP of one block adds
    losses_put_back   the loss on what follows a word for a made embedding, the mean of its pieces, and the pieces

Cost: one pass over the words for each window of blocks; one over the words for all updates; one over
the texts for each input.
Reference: Kaplan et al. (2024), From tokens to words, arXiv:2410.05864, §4.2, §5 and §6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.evidence import Beside, Evidence
from inscape.core.measured import Measured
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.outcomes.token_rows import Ids, last_states, losses_after, mean_embeddings
from inscape.read.logit_lens import logit_lens
from inscape.read.patchscopes import Patched, patchscope
from inscape.read.shortcut_fits import best_source
from inscape.worlds.word_pieces import WordPieces

#: what stands in a word's place
MADE, MEAN, OTHERS, PIECES = "made embedding", "mean of the pieces", "another word's", "all pieces"
#: what a block adds to the stream, and where it is read
UPDATES = {"attention": "attn_out", "MLP": "mlp_out"}
#: the condition in which the last piece sees all others
NOTHING = "nothing cut"


def names_when_cut(
    model: Model,
    ask: Patched,
    rows: Sequence[Sequence[int]],
    pieces: Sequence[int],
    site: str,
    blocks: Sequence[int],
    window: int,
) -> dict[str, Int[np.ndarray, " rows"]]:
    """The token that a Patchscope names for the last piece's state, with attention to the earlier
    pieces of the word cut in some blocks.

    Args:
        model: a language model.
        ask: as `inscape.outcomes.token_rows.prompt_asker` makes it.
        rows: token ids, each ending with a word.
        pieces: how many tokens the word has, (rows,).
        site: where the state is taken.
        blocks: those before it; they are cut in windows, one after another.
        window: blocks cut at once.

    Returns:
        `NOTHING` and ``blocks A to B`` → the tokens named.
    """
    windows = [blocks[i : i + window] for i in range(0, len(blocks), window)]
    cuts = {NOTHING: ()} | {f"blocks {w[0]} to {w[-1]}": w for w in windows}
    found = {}
    for name, layers in cuts.items():
        states = last_states(model, rows, [site], layers=layers, pieces=pieces)[site]
        found[name] = patchscope(ask, states, k=1).tokens[:, 0]
    return found


def update_ranks(
    model: Model, rows: Sequence[Sequence[int]], own: Sequence[int]
) -> dict[tuple[str, int], Int[np.ndarray, " rows"]]:
    """The rank of a token among all that an update at the last token points to, read by the
    unembedding without the norm: 0 is first.

        rank_i = #{v : u_v · x_i > u_own · x_i}

    Args:
        model: a language model.
        rows: token ids.
        own: the token of each row, (rows,).

    Returns:
        (part, block) → ranks, for the parts of `UPDATES`.
    """
    blocks = range(len(model.atlas.blocks))
    places = {(part, i): f"{point}.{i}" for part, point in UPDATES.items() for i in blocks}
    states = last_states(model, rows, list(places.values()))
    readout, targets = Readout(Readout.of(model).weight), np.array(own)
    return {
        place: logit_lens(readout, states[site], targets=targets, k=1).rank
        for place, site in places.items()
    }


class MadeEmbeddings(NamedTuple):
    """Input embeddings for words that have no token.

    Attributes:
        embeddings: one for each word.
        site: from whose states they are made.
        explained: share of the variance of embeddings that the map explains on words left out.
    """

    embeddings: Float[Tensor, "n d"]
    site: str
    explained: float


def made_embeddings(
    model: Model,
    words: WordPieces,
    pieces: Sequence[Ids],
    sites: Sequence[str],
    before: Ids = (),
) -> MadeEmbeddings:
    """Map the state at a word's last piece to an input embedding, by what words of one token
    teach: their state when they are cut in pieces, and their own embedding.

    Args:
        model: a language model.
        words: those of one token, whole and cut.
        pieces: token ids of each word that gets an embedding.
        sites: where states may be taken; the site that explains most is used.
        before: token ids before every word.
    """
    cut = last_states(model, [(*before, *row) for row in words.split], sites)
    goal = last_states(model, [(*before, token) for token in words.whole], ["embed"])["embed"]
    site, fit = best_source(cut, goal)
    own = last_states(model, [(*before, *row) for row in pieces], [site])[site]
    return MadeEmbeddings(fit(own), site, fit.inner)


def made_below_mean(
    losses: Mapping[str, Float[np.ndarray, " n"]], groups: Sequence[int] | np.ndarray
) -> Evidence:
    """Share of texts in which the made embedding has a lower loss than the mean of the pieces,
    beside the share in which another word's made embedding has.

    Args:
        losses: as `losses_put_back` gives them.
        groups: the word of each text.
    """
    m = Measured("share of words", groups=groups, unit="share")
    m.put(MADE, losses[MADE] < losses[MEAN])
    m.put(OTHERS, losses[OTHERS] < losses[MEAN], role="baseline")
    other = float(m.value(OTHERS).value)
    return m.value(MADE, beside=(Beside("baseline", "another word's made embedding", other),))


def losses_put_back(
    model: Model,
    texts: Sequence[tuple[Ids, Ids]],
    pieces: Sequence[Ids],
    made: Float[Tensor, "n d"],
    before: Ids = (),
) -> dict[str, Float[np.ndarray, " n"]]:
    """Mean loss in nats on what follows a word, by what stands in its place.

    Args:
        model: a language model.
        texts: token ids before and after the word.
        pieces: token ids of each word.
        made: an embedding for each word.
        before: token ids before pieces whose embeddings are averaged.

    Returns:
        `MADE`, `MEAN` (of the pieces' embeddings), `OTHERS` (the embedding made for the word before
        it in the list) and `PIECES` → losses.
    """
    mean = mean_embeddings(model, before, pieces)
    inputs = {MADE: made, MEAN: mean, OTHERS: made.roll(1, 0), PIECES: pieces}
    return {name: losses_after(model, texts, words) for name, words in inputs.items()}
