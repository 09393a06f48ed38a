"""What a person may have to mend before a script can be run."""

from holdfast.codecs.errors import CodecsError


class ScriptUnusable(CodecsError):
    """A script or an example file can't be used."""

    def __init__(self, what: str, hint: str) -> None:
        self.hint = hint
        super().__init__(f"{what}; {hint}")
