"""Names with stars: `*` stands for any text. In time that no pattern can stretch, as strangers send some of them."""

from collections.abc import Callable, Iterable


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Does a name match one of the patterns, wholly and by case?"""
    wanted = [pattern.split("*") for pattern in patterns]
    return lambda name: any(_fits(parts, name) for parts in wanted)


def _fits(parts: list[str], name: str) -> bool:
    """parts: what stands between the stars. The first place where a part fits is always the best one."""
    first, *between = parts
    if not between:
        return name == first
    *middle, last = between
    at = len(first)
    for part in middle:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return name.startswith(first) and name.endswith(last) and at <= len(name) - len(last)
