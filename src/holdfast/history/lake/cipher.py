"""Encryption of the lake's files: Parquet Modular Encryption, which standard readers know.

Each file has a random 256-bit data key for its columns and its footer (AES-GCM), so no name, value or count is in the
clear. The file carries the data key wrapped by `lake_key`, under the name `holdfast`.
"""

import base64
import binascii
from typing import Any

import pyarrow.parquet.encryption as pe

from holdfast.crypto.errors import KeyMismatch
from holdfast.crypto.wrapping import derive, unwrap, wrap

KEY_NAME = "holdfast"
PURPOSE = "holdfast lake v1"


def lake_key(journal_key: bytes) -> bytes:
    """The key that wraps the files' keys, made of the journal's (HKDF-SHA256, info `holdfast lake v1`)."""
    return derive(journal_key, PURPOSE)


class Cipher:
    """Makes what pyarrow wants for one file. Any thread."""

    def __init__(self, journal_key: bytes) -> None:
        """journal_key: the 32 bytes of `journal.key`."""
        key = lake_key(journal_key)
        self._factory = pe.CryptoFactory(lambda _config: _Keys(key))
        self._config = pe.KmsConnectionConfig()
        self._settings = pe.EncryptionConfiguration(
            footer_key=KEY_NAME,
            uniform_encryption=True,
            encryption_algorithm="AES_GCM_V1",
            double_wrapping=False,
            data_key_length_bits=256,
        )

    def writing(self) -> Any:
        """For one new file; its key is made now."""
        return self._factory.file_encryption_properties(self._config, self._settings)

    def reading(self) -> Any:
        """For one file to be read. Opening it raises KeyMismatch when it was written with another key."""
        return self._factory.file_decryption_properties(self._config)


class _Keys(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._key = key

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        return base64.b64encode(wrap(key_bytes, self._key, master_key_identifier))

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        try:
            return unwrap(base64.b64decode(wrapped_key, validate=True), self._key, master_key_identifier)
        except binascii.Error as error:
            raise KeyMismatch("the wrapped key is no base64") from error
