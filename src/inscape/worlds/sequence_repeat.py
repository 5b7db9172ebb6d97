"""Sequence repeat: stores that read tokens one by one and then say them again, learnt or made by
hand.

    GRU            reads x₁ … x_L, then a separator; h, the state after x_L, is all that it keeps; writes them back greedily
    onion store    h = Σ_j γ^j e(x_j);   writes the nearest e, subtracts it, divides by γ, and again
    slot store     h = (e(x₁), …, e(x_L)), one block of coordinates for each position

The stores made by hand are the two poles: in the onion, positions differ by magnitude alone and
share all directions; in the slots, each has directions of its own. Sequences are held out by a
checksum, so that none is in training and test.

Cost: steps × batch × 2 L products of the recurrent weights.
Reference: Csordás, Potts, Manning and Geiger (2024), arXiv:2408.10920.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

#: of the checksum that holds sequences out
_HELD = 7
#: redraws of sequences that belong to the other part; each leaves about six sevenths of those that
# a test needs
_ROUNDS = 500


def sequences(
    n: int,
    symbols: int,
    lengths: tuple[int, int],
    generator: torch.Generator,
    held_out: bool = False,
) -> tuple[Int[Tensor, "n longest"], Int[Tensor, " n"]]:
    """Random sequences, padded with 0, and their lengths; a seventh of all sequences is kept for
    the test.

    Args:
        n: how many.
        symbols: tokens 0 … symbols − 1.
        lengths: shortest and longest, each length about as often.
        generator: of the draw.
        held_out: from the test's share.

    Raises:
        ValueError: lengths that are none, or so few sequences that none is held out.
    """
    least, longest = lengths
    if not 1 <= least <= longest:
        raise ValueError(f"sequences: lengths must be 1 ≤ shortest ≤ longest, got {lengths}")
    length, x = _drawn(n, symbols, lengths, generator)
    weights = torch.arange(1, longest + 1)
    for _ in range(_ROUNDS):
        wrong = ((((x + 1) * weights).sum(1) % _HELD == 0) != held_out).nonzero()[:, 0]
        if not len(wrong):
            return x, length
        length[wrong], x[wrong] = _drawn(len(wrong), symbols, lengths, generator)
    raise ValueError(
        f"sequences: of {symbols} tokens and lengths {lengths} hardly any is held out; take more "
        "tokens or longer sequences"
    )


def _drawn(
    n: int, symbols: int, lengths: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    length = torch.randint(lengths[0], lengths[1] + 1, (n,), generator=generator)
    x = torch.randint(symbols, (n, lengths[1]), generator=generator)
    return length, x * inside(length, lengths[1])


def inside(length: Int[Tensor, " n"], longest: int) -> Tensor:
    """Which positions a sequence has, (n, longest) bool."""
    return torch.arange(longest) < length[:, None]


class Repeater(nn.Module):
    """Something that stores a sequence in one vector and says it again.

    Attributes:
        symbols: of its vocabulary.
        longest: sequence.
        width: of the vector.
    """

    symbols: int
    longest: int
    width: int

    def encode(
        self, x: Int[Tensor, "n longest"], length: Int[Tensor, " n"]
    ) -> Float[Tensor, "n width"]:
        """The vector after the last token."""
        raise NotImplementedError

    def decode(
        self, h: Float[Tensor, "n width"], said: Int[Tensor, "n longest"] | None = None
    ) -> Tensor:
        """Logits (n, longest, symbols); each step is told the token before, of `said` if given,
        else its own choice.
        """
        raise NotImplementedError

    @torch.no_grad()
    def repeat(self, h: Float[Tensor, "n width"]) -> Int[Tensor, "n longest"]:
        """What it says, left alone."""
        return self.decode(h).argmax(2)


class GRURepeater(Repeater):
    """A gated recurrent network of one layer; the separator is the token after the vocabulary's
    last.

    Args:
        symbols: tokens.
        longest: sequence.
        width: units.
        generator: of the initial weights.
    """

    def __init__(self, symbols: int, longest: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.symbols, self.longest, self.width = symbols, longest, width
        self.embed, self.cell = (
            nn.Embedding(symbols + 1, width),
            nn.GRU(width, width, batch_first=True),
        )
        self.head = nn.Linear(width, symbols)
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.empty_like(p).uniform_(-1, 1, generator=generator) * width**-0.5)
            self.embed.weight.copy_(torch.randn(self.embed.weight.shape, generator=generator))

    def encode(
        self, x: Int[Tensor, "n longest"], length: Int[Tensor, " n"]
    ) -> Float[Tensor, "n width"]:
        states, _ = self.cell(self.embed(x))
        return states[torch.arange(len(x)), length - 1]

    def decode(
        self, h: Float[Tensor, "n width"], said: Int[Tensor, "n longest"] | None = None
    ) -> Tensor:
        start, state = torch.full((len(h), 1), self.symbols), h[None].contiguous()
        if said is not None:
            states, _ = self.cell(self.embed(torch.cat([start, said[:, :-1]], 1)), state)
            return self.head(states)
        out, token = [], start
        for _ in range(self.longest):
            states, state = self.cell(self.embed(token), state)
            out.append(self.head(states))
            token = out[-1].argmax(2)
        return torch.cat(out, 1)


class OnionStore(Repeater):
    """Tokens at magnitudes γ^j along shared directions; made by hand.

    Args:
        symbols: tokens.
        longest: sequence.
        width: of the vector; it may be far smaller than tokens × positions.
        generator: of the tokens' unit vectors.
        ratio: γ, below the gap that the nearest token can be told at.
    """

    def __init__(
        self,
        symbols: int,
        longest: int,
        width: int,
        generator: torch.Generator,
        ratio: float = 0.15,
    ) -> None:
        super().__init__()
        self.symbols, self.longest, self.width, self.ratio = symbols, longest, width, ratio
        tokens = torch.randn(symbols, width, generator=generator, dtype=torch.float32)
        self.register_buffer("tokens", tokens / tokens.norm(dim=1, keepdim=True))

    def encode(
        self, x: Int[Tensor, "n longest"], length: Int[Tensor, " n"]
    ) -> Float[Tensor, "n width"]:
        scale = self.ratio ** torch.arange(self.longest) * inside(length, self.longest)
        return (scale[:, :, None] * self.tokens[x]).sum(1)

    def decode(
        self, h: Float[Tensor, "n width"], said: Int[Tensor, "n longest"] | None = None
    ) -> Tensor:
        out = []
        for j in range(self.longest):
            out.append(20 * h @ self.tokens.T)
            token = out[-1].argmax(1) if said is None else said[:, j]
            h = (h - self.tokens[token]) / self.ratio
        return torch.stack(out, 1)


class SlotStore(Repeater):
    """One block of coordinates for each position, turned by a random rotation; made by hand.

    Args:
        symbols: tokens.
        longest: sequence.
        width: of the vector; each position gets width // longest coordinates.
        generator: of the tokens' unit vectors and the rotation.
    """

    def __init__(self, symbols: int, longest: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.symbols, self.longest, self.width, self.block = (
            symbols,
            longest,
            width,
            width // longest,
        )
        if not self.block:
            raise ValueError(
                f"SlotStore: width must be at least one coordinate a position ({longest}), got "
                f"{width}"
            )
        tokens = torch.randn(symbols, self.block, generator=generator)
        self.register_buffer("tokens", tokens / tokens.norm(dim=1, keepdim=True))
        self.register_buffer(
            "turn", torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
        )

    def encode(
        self, x: Int[Tensor, "n longest"], length: Int[Tensor, " n"]
    ) -> Float[Tensor, "n width"]:
        blocks = self.tokens[x] * inside(length, self.longest)[:, :, None]
        return blocks.flatten(1) @ self.turn[: self.block * self.longest]

    def decode(
        self, h: Float[Tensor, "n width"], said: Int[Tensor, "n longest"] | None = None
    ) -> Tensor:
        blocks = (h @ self.turn[: self.block * self.longest].T).unflatten(
            1, (self.longest, self.block)
        )
        return 20 * blocks @ self.tokens.T


def same(
    said: Int[Tensor, "n longest"], truth: Int[Tensor, "n longest"], length: Int[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Which sequences are repeated without a mistake, 0 or 1."""
    return ((said == truth) | ~inside(length, truth.shape[1])).all(1).float()


def loss_of(
    logits: Float[Tensor, "n longest symbols"],
    truth: Int[Tensor, "n longest"],
    length: Int[Tensor, " n"],
) -> Tensor:
    """Mean cross-entropy over the tokens there are, nats."""
    keep = inside(length, truth.shape[1])
    return nn.functional.cross_entropy(logits[keep], truth[keep])


def train(
    net: Repeater,
    lengths: tuple[int, int],
    generator: torch.Generator,
    *,
    steps: int = 8000,
    batch: int = 256,
    lr: float = 3e-3,
    enough: float = 0.995,
    every: int = 250,
) -> float:
    """Teach a network to repeat, until it does so on held-out sequences or the steps are spent; in
    place.

    Args:
        net: the network.
        lengths: shortest and longest sequence.
        generator: of the sequences.
        steps: at most.
        batch: sequences a step.
        lr: at the start; it falls along a cosine.
        enough: held-out accuracy at which to stop.
        every: steps between two looks.

    Returns:
        Accuracy on held-out sequences, whole sequences.
    """
    optimiser = torch.optim.Adam(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    reached = accuracy(net, lengths, generator)
    for step in range(steps):
        x, length = sequences(batch, net.symbols, lengths, generator)
        with torch.enable_grad():
            loss = loss_of(net.decode(net.encode(x, length), x), x, length)
            optimiser.zero_grad()
            loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if (step + 1) % every == 0 or step + 1 == steps:
            reached = accuracy(net, lengths, generator)
            if reached >= enough:
                break
    return reached


@torch.no_grad()
def accuracy(
    net: Repeater, lengths: tuple[int, int], generator: torch.Generator, n: int = 1000
) -> float:
    """Share of held-out sequences that are repeated without a mistake."""
    return float(repeated(net, lengths, generator, n).mean())


@torch.no_grad()
def repeated(
    net: Repeater, lengths: tuple[int, int], generator: torch.Generator, n: int
) -> Float[Tensor, " n"]:
    """Which of n held-out sequences are repeated without a mistake, 0 or 1."""
    x, length = sequences(n, net.symbols, lengths, generator, held_out=True)
    return same(net.repeat(net.encode(x, length)), x, length)
