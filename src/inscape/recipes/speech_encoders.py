"""Encoders of speech made by rule: contrastive and predictive ones that hear the same utterances,
and copies tuned to name phones, for studies of what they share.

A contrastive encoder finds a hidden frame among the other hidden frames of its utterance
(`inscape.learn.masked_contrast`), as wav2vec 2.0 does; a predictive one names the cluster of its
cepstrum, as HuBERT does at first. Both are one network up to their head, see the same batches and
the same spans hidden. Voices that they are judged on are never heard in training.

Cost: a step of 16 utterances with width 128 takes some 0.1 s on one core.
Reference: Baevski et al. (2020), arXiv:2006.11477; Hsu et al. (2021), arXiv:2106.07447, §II.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.fft import dct
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from inscape.core.log_mel import log_mel
from inscape.learn.gradient import Gradient
from inscape.learn.masked_contrast import frame_scores, masked_contrast, span_mask
from inscape.nets.frame_encoder import FrameEncoder
from inscape.study.arms import Arm
from inscape.worlds.spoken_words import (
    HOP,
    PHONES,
    RATE,
    Speech,
    draw_lexicon,
    draw_voices,
    spoken_words,
)

CONTRASTIVE, PREDICTIVE = "contrastive", "predictive"
#: utterances of a batch, words of the lexicon, clusters and cepstral coefficients that tell them
BATCH, WORDS, CLUSTERS, CEPSTRA = 16, 40, 50, 13
_UPDATE = Gradient(lr=2e-3, schedule="cosine")


@dataclass(frozen=True, eq=False)
class Heard:
    """Utterances as encoders take them.

    Attributes:
        speech: the utterances with their truth.
        frames: log-mel frames, standardised by band of the training utterances, (n, t, 40).
        clusters: of each frame's cepstrum, (n, t).
    """

    speech: Speech
    frames: Float[Tensor, "n t f"]
    clusters: Int[Tensor, "n t"]


def heard(
    utterances: int, voices: int, each: int, *, rng: Callable[..., np.random.Generator]
) -> tuple[Heard, Heard]:
    """Utterances to train on, six a voice, and others of other voices; the words are the same.

    Args:
        utterances: of training.
        voices: of the others.
        each: utterances of each of the other voices.
        rng: gives a generator by names, as `inscape.study.run.Run.rng` does.
    """
    lexicon = draw_lexicon(WORDS, rng=rng("lexicon"))
    sizes = {"train": (utterances, max(8, utterances // 6)), "test": (voices * each, voices)}
    said = [
        spoken_words(n, draw_voices(v, rng=rng(name, "voices")), lexicon, rng=rng(name, "words"))
        for name, (n, v) in sizes.items()
    ]
    frames = [log_mel(s.waves, RATE, hop=HOP) for s in said]
    cepstra = [dct(f, axis=-1, norm="ortho")[..., :CEPSTRA] for f in frames]
    means = KMeans(CLUSTERS, n_init=1, random_state=int(rng("clusters").integers(2**31)))
    means.fit(cepstra[0].reshape(-1, CEPSTRA))
    mean, spread = frames[0].mean(axis=(0, 1)), frames[0].std(axis=(0, 1))
    train, test = (
        Heard(
            s,
            torch.from_numpy((f - mean) / spread),
            torch.from_numpy(means.predict(c.reshape(-1, CEPSTRA)).reshape(c.shape[:2])).long(),
        )
        for s, f, c in zip(said, frames, cepstra, strict=True)
    )
    return train, test


def contrastive(frames: Float[Tensor, "n t f"], width: int) -> Arm:
    """An encoder that finds hidden frames, to train.

    Args:
        frames: of sounds of any kind, standardised.
        width: of a token.
    """

    def batches(rng: np.random.Generator, k: int) -> Any:
        x = frames[rng.integers(len(frames), size=BATCH)]
        return x, span_mask(BATCH, x.shape[1], rng=rng)

    def find(net: Any, batch: Any) -> Tensor:
        x, hidden = batch
        return masked_contrast(net(x, hidden), net.frames(x), hidden)

    return Arm(
        net=lambda k: FrameEncoder(frames.shape[2], width, width=width),
        batches=batches,
        objective=find,
        update=_UPDATE,
    )


def encoders(train: Heard, width: int) -> dict[str, Arm]:
    """A contrastive and a predictive encoder, to train.

    Args:
        train: what they hear.
        width: of a token.
    """

    def batches(rng: np.random.Generator, k: int) -> Any:
        rows = rng.integers(len(train.frames), size=BATCH)
        x = train.frames[rows]
        return x, train.clusters[rows], span_mask(BATCH, x.shape[1], rng=rng)

    def name(net: Any, batch: Any) -> Tensor:
        x, clusters, hidden = batch
        return F.cross_entropy(net(x, hidden)[hidden], clusters[hidden])

    return {
        CONTRASTIVE: contrastive(train.frames, width),
        PREDICTIVE: Arm(
            net=lambda k: FrameEncoder(train.frames.shape[2], CLUSTERS, width=width),
            batches=batches,
            objective=name,
            update=_UPDATE,
        ),
    }


def hidden_frames_found(net: Any, heard: Heard, hidden: Bool[Tensor, "n t"]) -> Bool[Tensor, " m"]:
    """Of each hidden frame, whether a predictive encoder names its cluster, or a contrastive one
    finds it among the utterance's hidden frames.

    Args:
        net: an encoder, known by its outputs.
        heard: utterances.
        hidden: which frames are hidden from it.
    """
    found = net(heard.frames, hidden)
    if found.shape[2] == CLUSTERS:
        return (found.argmax(2) == heard.clusters)[hidden]
    best = frame_scores(found, net.frames(heard.frames), hidden).argmax(2)
    return (best == torch.arange(hidden.shape[1]))[hidden]


def tuned_to_phones(net: FrameEncoder, train: Heard) -> Arm:
    """A copy of an encoder, to be trained whole to name the phone of every frame.

    Args:
        net: the encoder, which is left as it is.
        train: what the copy hears, with nothing hidden.
    """
    phones = torch.from_numpy(train.speech.phones)

    def fresh(k: int) -> nn.Module:
        copy = deepcopy(net)
        copy.head = nn.Linear(net.head.in_features, len(PHONES))
        return copy

    def batches(rng: np.random.Generator, k: int) -> Any:
        rows = rng.integers(len(phones), size=BATCH)
        return train.frames[rows], phones[rows]

    def name(net: Any, batch: Any) -> Tensor:
        return F.cross_entropy(net(batch[0]).flatten(0, 1), batch[1].flatten())

    return Arm(net=fresh, batches=batches, objective=name)
