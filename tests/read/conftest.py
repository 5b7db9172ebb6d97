"""The small Llama and the sentences that stores are tested with."""

from tests.store.conftest import examples, model

__all__ = ["examples", "model"]
