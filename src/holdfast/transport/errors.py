"""What can go wrong at the door to the network.

TransportError
├── CallFailed       world: the other end can't be reached or went away; try again later
├── PeerUntrusted    operator: the other end's certificate is not the one this node may trust; says what to do
├── ReplyTooLarge    peer: it answered more than it may
├── AddressInvalid   operator: not host:port, or not an https:// URL
├── TlsUnusable      operator: a certificate, key or CA file can't be used
├── SecretUnusable   operator: a secret's file or environment variable isn't there
├── MailRefused      world: a mail server won't ever take this message
└── ListenFailed     operator: the address can't be listened on; says what to do
"""

from holdfast.kernel.errors import HoldfastError


class TransportError(HoldfastError):
    """Something the network, or the way to it, said."""


class CallFailed(TransportError):
    """The other end can't be reached, or went away in the middle. What it did with the request is unknown."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class PeerUntrusted(TransportError):
    """The other end is not who it should be; nothing was sent to it."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class ReplyTooLarge(TransportError):
    """The other end answered more than it may; the rest was not read."""


class AddressInvalid(TransportError):
    """A text in the settings is not an address."""


class TlsUnusable(TransportError):
    """A certificate, key or CA file can't be used."""

    hint = "paths are relative to node.yaml; the file must be PEM, and this user must be able to read it"


class SecretUnusable(TransportError):
    """A secret isn't where node.yaml says."""

    hint = "paths are relative to node.yaml; this user must be able to read the file"


class MailRefused(TransportError):
    """A mail server said "never" to a message (RFC 5321 §4.2.1, 5yz); the same message would meet the same answer."""

    hint = "check `from` and `to` of the channel; the mail server's log says more"


class ListenFailed(TransportError):
    """The address can't be listened on."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint
