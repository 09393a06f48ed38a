import no_such_library  # type: ignore[import-not-found]  # noqa: F401  # that's its point
