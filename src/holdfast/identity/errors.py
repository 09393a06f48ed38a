"""What can go wrong with identities.

IdentityError
├── KeyExists       operator: a key or token is already there; overwriting it would cut off whoever trusts it
├── KeyMissing      operator: there is no authority in this directory
└── TokenUnusable   operator: a token file holds neither a token nor a digest, or one that is over
"""

from holdfast.kernel.errors import HoldfastError


class IdentityError(HoldfastError):
    """Something about who someone is."""


class KeyExists(IdentityError):
    """A key or token is already there."""

    hint = "use the one that is there, or move it away first: whoever trusts it is cut off when it changes"


class KeyMissing(IdentityError):
    """There is no authority here."""

    hint = "make one first with `identity.authority.create_authority`"


class TokenUnusable(IdentityError):
    """A token file can't be used."""

    hint = "issue a new token for this name and put it on both sides"
