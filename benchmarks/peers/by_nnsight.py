"""nnsight: ``trace`` over a batch, saving the last token of each layer's output."""

from __future__ import annotations

from collections.abc import Callable

import nnsight
import numpy as np
import torch
from rounds import BATCH, serve


def load(folder: str) -> Callable[[list[str]], np.ndarray]:
    """Batches in the order given, padded on the right."""
    model = nnsight.TransformersModel(
        folder, task="text-generation", dispatch=True, dtype=torch.float32
    )
    model.tokenizer.padding_side = "right"
    model.tokenizer.pad_token = model.tokenizer.pad_token or model.tokenizer.eos_token

    @torch.no_grad()
    def values(texts: list[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), BATCH):
            batch = model.tokenizer(texts[start : start + BATCH], return_tensors="pt", padding=True)
            last = batch["attention_mask"].sum(1) - 1
            rows = torch.arange(len(last))
            with model.trace(batch):
                states = nnsight.save([])
                states.append(model.model.embed_tokens.output[rows, last])
                for layer in model.model.layers:
                    states.append(layer.output[rows, last])
            found.append(torch.stack(states, 1))
        return torch.cat(found).numpy()

    return values


if __name__ == "__main__":
    serve(load, "nnsight")
