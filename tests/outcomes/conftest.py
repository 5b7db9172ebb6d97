"""The small Llama and the sentences that stores are tested with, and a cache of the test's own."""

from tests.probing.conftest import few
from tests.store.conftest import examples, home, model

__all__ = ["examples", "few", "home", "model"]
