"""Sums in one order: linear algebra on one thread, so that the same data gives the same weights to the bit."""

from contextlib import AbstractContextManager


def one_thread() -> AbstractContextManager[object]:
    """While it's entered, NumPy and scikit-learn use one thread."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  # comes with scikit-learn, of the extra `train`

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
