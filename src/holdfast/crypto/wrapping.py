"""Keys for a purpose, made of another key, and keys wrapped by keys."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.crypto.errors import KeyMismatch

KEY_BYTES = 32
_NONCE = 12


def derive(key: bytes, purpose: str) -> bytes:
    """32 bytes made of `key` for this purpose alone (HKDF-SHA256, RFC 5869, no salt: the key is random)."""
    return HKDF(SHA256(), KEY_BYTES, None, purpose.encode()).derive(key)


def wrap(key: bytes, wrapping: bytes, name: str) -> bytes:
    """`key` under AES-256-GCM: 12 bytes nonce, ciphertext, 16 bytes tag. name: of the wrapping key, authenticated.

    The same layout as parquet-java's `KeyToolkit.encryptKeyLocally`.
    """
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(wrapping).encrypt(nonce, key, name.encode())


def unwrap(wrapped: bytes, wrapping: bytes, name: str) -> bytes:
    """The key that `wrap` was given.

    Raises:
        KeyMismatch: when it was wrapped by another key, or changed.
    """
    try:
        return AESGCM(wrapping).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], name.encode())
    except (InvalidTag, ValueError) as error:
        raise KeyMismatch(f"the key {name} doesn't fit") from error
