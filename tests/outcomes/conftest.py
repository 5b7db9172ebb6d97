"""The small Llama and the sentences that stores are tested with, and a cache of the test's own."""

from tests.store.conftest import examples, home, model
from tests.studies.control.audit.conftest import few

__all__ = ["examples", "few", "home", "model"]
