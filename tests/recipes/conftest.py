"""The toy studies of `tests.study`, for runs to record in."""

from tests.study.conftest import opened, outside

__all__ = ["opened", "outside"]
