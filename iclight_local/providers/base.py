"""What is known of a provider, and what its owner's account adds to that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Size = Literal["frame", "shape", "picture"]
"""What the size of results follows: the frame that was asked for, its shape alone, or the picture that was sent."""


@dataclass(frozen=True)
class Price:
    """What a picture costs.

    Attributes:
        least, most: of one picture.
        unit: ``dollars``, or the provider's own ``credits``.
        source: where that is stated.
    """

    least: float
    most: float
    unit: Literal["dollars", "credits"]
    source: str

    def __str__(self) -> str:
        amount = f"{self.least:g}" if self.least == self.most else f"{self.least:g} to {self.most:g}"
        return f"{amount} {self.unit.removesuffix('s') if amount == '1' else self.unit} a picture"


@dataclass(frozen=True)
class Provider:
    """One model of a vendor, as it is asked for by name.

    Attributes:
        name: ``segmind-ic-light``; what the owner allows.
        dialect, model: who speaks to it (see :func:`iclight_local.dialects.find_senders`).
        base_url: what the paths of its API follow; the variable ``base_variable`` says another one.
        base_variable: of the environment.
        key_variable: of the environment; also the name of the key in the system's keyring.
        header: that the key is sent in.
        scheme: what stands before the key there, with its blank.
        size: what the size of results follows.
        price: as its documents state it; None where they are silent.
    """

    name: str
    dialect: str
    model: str
    base_url: str
    base_variable: str
    key_variable: str
    header: str
    scheme: str
    size: Size
    price: Price | None


class Secret:
    """A key that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> str:
        """The key itself."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """``text`` with dots in place of the key."""
        return text.replace(self._text, "…")

    def hidden_in_bytes(self, data: bytes) -> bytes:
        """``data`` with dots in place of the key."""
        return data.replace(self._text.encode(), b"...")


@dataclass(frozen=True)
class Shelf:
    """A place of the owner's where pictures can be put, and fetched by whoever knows their address.

    Attributes:
        template: an address with ``{name}`` in it, to which files are PUT and from which they are fetched and DELETEd.
        authorization: the header of that name for PUT and DELETE; None where none is needed.
    """

    template: str = field(repr=False)
    authorization: Secret | None

    def address(self, name: str) -> str:
        """The address of a file."""
        return self.template.replace("{name}", name)


@dataclass(frozen=True)
class Account:
    """A provider, as its owner can reach it.

    Attributes:
        provider: whose it is.
        base_url: where it is called; without a slash at the end.
        key: None where there is none.
        key_from: where the key was found, in words.
    """

    provider: Provider
    base_url: str
    key: Secret | None = field(repr=False)
    key_from: str = ""
