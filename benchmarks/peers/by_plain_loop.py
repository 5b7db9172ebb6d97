"""The plain loop that everyone writes: transformers, ``output_hidden_states=True``, the last token
of each layer.

The last of ``hidden_states`` is taken after the final norm; a hook takes what the last block gives,
as the others do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from rounds import BATCH, serve
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(folder: str) -> Callable[[list[str]], np.ndarray]:
    """Batches in the order given, padded on the right."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    ).eval()
    last_block: list[torch.Tensor] = []
    model.model.layers[-1].register_forward_hook(lambda *_: last_block.append(_[-1]))

    @torch.no_grad()
    def values(texts: list[str]) -> np.ndarray:
        found = []
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(
                texts[start : start + BATCH],
                return_tensors="pt",
                padding=True,
                padding_side="right",
            )
            states = list(model(**batch, output_hidden_states=True).hidden_states[:-1])
            states.append(last_block.pop())
            last = batch["attention_mask"].sum(1) - 1
            found.append(torch.stack([x[torch.arange(len(last)), last] for x in states], 1))
        return torch.cat(found).numpy()

    return values


if __name__ == "__main__":
    serve(load, "transformers")
