"""A small transformer that writes documents symbol by symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from madtheory.networks.context import choose_device
from madtheory.networks.network import Network, Term, noise
from madtheory.networks.trained import Seeds
from madtheory.networks.training import Training
from madtheory.validation import check_size


@dataclass(frozen=True, kw_only=True, eq=False)
class Transformer(Network):
    r"""An autoregressive transformer on documents, trained by the cross-entropy of the next symbol.

    .. math:: p(x) = \prod_{l=1}^{L} p(x_l | x_1, ..., x_{l-1})

    Points are documents, shape (n, length), of the symbols 0, ..., `symbols` - 1, as those of `Markov` and
    `madtheory.data.Vocabulary`.

    Attributes
    ----------
    symbols : int
        Number K of symbols.
    hidden : tuple of int
        Width of the layers, all equal and a multiple of `heads`.
    heads : int
        Number of attention heads.

    Notes
    -----
    Biased sampling draws from probabilities proportional to :math:`p(x_l | ...)^{1/\mathrm{bias}}`: bias is a
    temperature, as for `Markov`. Source: Vaswani et al. 2017 (arXiv 1706.03762), layers with the
    normalisation first.
    """

    symbols: int
    hidden: tuple[int, ...] = (64, 64)
    training: Training = field(default_factory=lambda: Training(images=100_000, batch=64))
    units: tuple[float, float] | None = (0.0, 1.0)
    heads: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size("symbols", self.symbols)
        check_size("heads", self.heads)
        if not self.hidden or len(set(self.hidden)) > 1 or self.hidden[0] % self.heads:
            raise ValueError(
                f"hidden={self.hidden} are not equal multiples of heads={self.heads}; pass for example "
                f"(64, 64)."
            )
        if self.classes is not None or self.units != (0.0, 1.0):
            raise ValueError("a Transformer has neither classes nor units; leave them out.")

    def _module(self, dim: int) -> nn.Module:
        return _Decoder(self.symbols, dim, self.hidden, self.heads)

    def _loss(self, module: Any, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        symbols = x.round().long()
        if symbols.min() < 0 or symbols.max() >= self.symbols:
            raise ValueError(f"data are not symbols from 0 to {self.symbols - 1}; raise symbols.")
        return nn.functional.cross_entropy(module(symbols[:, :-1]).transpose(1, 2), symbols)

    def _generate(
        self, terms: Sequence[Term], dim: int, seeds: Seeds, labels: Tensor | None, bias: float | None
    ) -> Tensor:
        device = choose_device(self.device)
        uniform = torch.special.ndtr(noise(seeds, (dim,)).double()).to(device)
        x = torch.zeros((len(seeds), 0), dtype=torch.int64, device=device)
        temperature = max(1.0 if bias is None else bias, 1e-9)
        for at in range(dim):
            logits = torch.stack([c * module(x)[:, -1] for c, module in terms]).sum(0).double()
            cumulative = (logits / temperature).softmax(1).cumsum(1)
            chosen = (cumulative < uniform[:, at : at + 1] * cumulative[:, -1:]).sum(1, keepdim=True)
            x = torch.cat([x, chosen.clamp(max=self.symbols - 1)], 1)
        return x.float()


class _Decoder(nn.Module):
    """Layers that see the symbols before each position, and a start sign before the first."""

    def __init__(self, symbols: int, length: int, hidden: tuple[int, ...], heads: int) -> None:
        super().__init__()
        width = hidden[0]
        self.start = symbols
        self.embedding = nn.Embedding(symbols + 1, width)
        self.position = nn.Parameter(torch.randn(length, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in hidden
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, symbols))

    def forward(self, before: Tensor) -> Tensor:
        """Return the logits of every next symbol, (n, l + 1, K), after l symbols (n, l)."""
        x = nn.functional.pad(before, (1, 0), value=self.start)
        mask = torch.triu(torch.full((x.shape[1], x.shape[1]), float("-inf"), device=x.device), 1)
        h = self.embedding(x) + self.position[: x.shape[1]]
        for layer in self.layers:
            h = layer(h, src_mask=mask)
        logits: Tensor = self.head(h)
        return logits
