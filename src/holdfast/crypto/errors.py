"""What can go wrong with keys and signatures.

CryptoError
├── KeyUnusable      operator: a key or certificate can't be read as one
├── NameUnusable     operator: a host or name can't stand in a certificate
├── KeyMismatch      operator: a wrapped key was wrapped by another key, or changed
└── TokenMalformed   caller or peer: a text is no token
"""

from holdfast.kernel.errors import HoldfastError


class CryptoError(HoldfastError):
    """Something about a key, certificate or token."""


class KeyUnusable(CryptoError):
    """A key or certificate can't be read as one."""


class NameUnusable(CryptoError):
    """A host or name can't stand in a certificate."""


class KeyMismatch(CryptoError):
    """A wrapped key was wrapped by another one, or was changed."""

    hint = "give the key that it was written with"


class TokenMalformed(CryptoError):
    """A text is no token."""

    hint = "issue one with `identity.tokens.issue_token` and copy the file as it is"
