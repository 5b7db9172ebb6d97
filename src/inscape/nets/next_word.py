"""Two small networks that foresee the next word of a stretch of text: recurrent, and a transformer.

    words → embedding → layers → the state at the last word → the next word

`layers` gives the state at the last word after the embedding and after every layer, so that both
are looked at alike.

Cost: O(layers · words · width²), and words² · width for the transformer.
Reference: Hochreiter and Schmidhuber (1997), Long short-term memory; Vaswani et al. (2017),
arXiv:1706.03762.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class NextWord(nn.Module):
    """The network.

    Args:
        words: of the vocabulary.
        length: of a stretch.
        kind: ``"LSTM"`` or ``"transformer"``.
        width: of embeddings and states.
        depth: layers.

    Raises:
        ValueError: another kind, or a transformer's width that is no multiple of 4.

    Example:
        >>> net = NextWord(50, 9, "LSTM", width=16)
        >>> x = torch.zeros(4, 9, dtype=torch.int64)
        >>> net(x).shape, [tuple(h.shape) for h in net.layers(x)]
        (torch.Size([4, 50]), [(4, 16), (4, 16), (4, 16)])
    """

    def __init__(
        self, words: int, length: int, kind: str, *, width: int = 64, depth: int = 2
    ) -> None:
        super().__init__()
        if kind not in ("LSTM", "transformer"):
            raise ValueError(f"NextWord: kind must be 'LSTM' or 'transformer', got {kind!r}")
        if kind == "transformer" and width % 4:
            raise ValueError(f"NextWord: width {width} is no multiple of the transformer's 4 heads")
        self.word, self.place = nn.Embedding(words, width), nn.Embedding(length, width)
        self.recurrent = kind == "LSTM"
        self.blocks = nn.ModuleList(
            [
                nn.LSTM(width, width, batch_first=True)
                if self.recurrent
                else nn.TransformerEncoderLayer(
                    width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
                )
                for _ in range(depth)
            ]
        )
        self.head = nn.Linear(width, words)

    def layers(self, x: Int[Tensor, "n length"]) -> list[Float[Tensor, "n width"]]:
        """The last word's embedding, and the state at the last word after each layer."""
        h = self.word(x)
        out = [h[:, -1]]
        if not self.recurrent:
            if x.shape[1] > self.place.num_embeddings:
                raise ValueError(
                    f"NextWord: stretches of {x.shape[1]} words, and the network takes "
                    f"{self.place.num_embeddings} at most"
                )
            h = h + self.place(torch.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h)[0] if self.recurrent else block(h)
            out.append(h[:, -1])
        return out

    def forward(self, x: Int[Tensor, "n length"]) -> Float[Tensor, "n words"]:
        """Scores of the next word."""
        return self.head(self.layers(x)[-1])
