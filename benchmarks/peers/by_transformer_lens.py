"""TransformerLens: ``run_with_cache`` with a filter for the residual stream, the last token of each
site.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from rounds import BATCH, serve
from transformer_lens.model_bridge import TransformerBridge


def load(folder: str) -> Callable[[list[str]], np.ndarray]:
    """Batches in the order given; the weights as they are, nothing folded."""
    model = TransformerBridge.boot_transformers(folder, device="cpu", dtype=torch.float32)
    sites = ["hook_embed", *(f"blocks.{i}.hook_resid_post" for i in range(model.cfg.n_layers))]

    @torch.no_grad()
    def values(texts: list[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), BATCH):
            # the sentences alone, as in the other ways: left to itself the bridge puts a BOS before
            # each
            batch = model.tokenizer(
                texts[start : start + BATCH],
                return_tensors="pt",
                padding=True,
                padding_side="right",
                add_special_tokens=False,
            )
            last = batch["attention_mask"].sum(1) - 1
            _, cache = model.run_with_cache(batch["input_ids"], names_filter=sites)
            found.append(
                torch.stack([cache[name][torch.arange(len(last)), last] for name in sites], 1)
            )
        return torch.cat(found).numpy()

    return values


if __name__ == "__main__":
    serve(load, "transformer-lens")
