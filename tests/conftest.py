"""Shared by all tests: Hypothesis without wall-clock deadlines, which a busy two-core machine would break."""

from hypothesis import settings

settings.register_profile("default", deadline=None, print_blob=True)
settings.load_profile("default")
