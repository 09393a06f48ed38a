"""Who is told of what was decided."""

from collections.abc import Callable

from holdfast.model.batch import Batch

BatchListener = Callable[[Batch], None]
"""Told of every decided batch, on the loop, before its commit; must be quick and keep no reference to rows."""
