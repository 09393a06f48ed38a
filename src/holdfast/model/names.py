"""Which series a name means: `node/device/metric`, or `device/metric` at any node; `*` stands for any text."""

import re

from holdfast.kernel.errors import HoldfastError
from holdfast.model.series import Series

NAME_HELP = "write node/device/metric or device/metric; * stands for any text, as in press-*/temperature"
_LONGEST = 512
_MOST_STARS = 4


class NameInvalid(HoldfastError):
    """A pattern that is no series name, or too long."""

    hint = NAME_HELP


class Pattern:
    """A name with stars."""

    def __init__(self, text: str) -> None:
        """Check and compile.

        Raises:
            NameInvalid: when it is no name, too long, or has too many stars.
        """
        if not text or len(text) > _LONGEST:
            raise NameInvalid(f"a series name has 1 to {_LONGEST} characters")
        if text != "*" and "/" not in text:
            raise NameInvalid(f"{text!r} names no series")
        pieces = re.split(r"\*+", text)  # a run of stars means one
        if len(pieces) > _MOST_STARS + 1:  # each one multiplies the ways a long name can fail to match
            raise NameInvalid(f"a pattern may have at most {_MOST_STARS} stars")
        self.text = text
        self.regex = ".*".join(re.escape(piece) for piece in pieces)
        """For a whole name, any text included (`re.DOTALL`)."""
        self._regex = re.compile(self.regex, re.DOTALL)

    def means(self, series: Series) -> bool:
        """Does it mean this series?"""
        match = self._regex.fullmatch
        return match(series.name) is not None or match(f"{series.device}/{series.metric}") is not None
