"""The owner's accounts with hosted providers: keys and addresses, from the environment or the system's keyring."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.addresses import Target, parse_target, reach
from iclight_local.providers.base import Account, Provider, Secret, Shelf

SERVICE = "iclight-local"
"""What keys stand under in the system's keyring."""
AUTHORIZATION = "ICLIGHT_UPLOAD_AUTHORIZATION"
"""Variable of the environment: the header Authorization for ``upload_url``."""
_HEADER = re.compile(r"[ -~]{8,4096}")
_KEY = re.compile(r"[!-~]{8,4096}")
_INSIDE = (".local", ".lan", ".internal", ".home.arpa", ".localhost")


def find_account(provider: Provider, environ: Mapping[str, str] | None = None) -> Account:
    """How the owner reaches a provider; nothing is sent, and the keyring is asked only where the environment is silent.

    Args:
        provider: which one.
        environ: the environment; by default the process's own.

    Raises:
        InvalidRequest: the address or the key that was set is none; the sentence never tells the key.
    """
    env = os.environ if environ is None else environ
    base_url = env.get(provider.base_variable, "").strip()
    if base_url:
        _check_address(base_url, provider)
    key, found = env.get(provider.key_variable, "").strip(), provider.key_variable
    if not key:
        key, found = _from_keyring(provider.key_variable), "the system's keyring"
    if key and not _KEY.fullmatch(key):
        raise InvalidRequest(f"The key in {found} is none (8 letters or more, no blanks, ASCII alone): set it anew.")
    return Account(
        provider,
        (base_url if base_url else provider.base_url).rstrip("/"),
        Secret(key) if key else None,
        found if key else "",
    )


def find_shelf(template: str | None, environ: Mapping[str, str] | None = None) -> Shelf | None:
    """The owner's place for pictures that need a web address; None where there is none.

    Args:
        template: the setting ``upload_url``.
        environ: the environment; by default the process's own.

    Raises:
        InvalidRequest: the template or the authorization is none; the sentence never tells the latter.
    """
    if template is None:
        return None
    if "{name}" not in template:
        raise InvalidRequest("upload_url holds no {name}: https://host/path/{name}.png is needed.")
    try:
        target = parse_target(template.replace("{name}", "a"), "upload", ("http", "https"))
    except InvalidRequest as error:
        raise InvalidRequest(f"upload_url is no address: {error}") from None
    if target.scheme == "http" and not _inside(target):
        raise InvalidRequest(
            "upload_url begins with http://, where anyone on the way could see the picture: https:// is needed, unless "
            "the host is one of this network."
        )
    env = os.environ if environ is None else environ
    authorization = env.get(AUTHORIZATION, "").strip()
    if not authorization:
        authorization = _from_keyring(AUTHORIZATION)
    if authorization and not _HEADER.fullmatch(authorization):
        raise InvalidRequest(f"The text in {AUTHORIZATION} is no header (8 letters of ASCII or more): set it anew.")
    return Shelf(template, Secret(authorization) if authorization else None)


def _check_address(url: str, provider: Provider) -> None:
    """Refuse an address that a key must not be sent to.

    Raises:
        InvalidRequest: it is no URL, or a plain one out on the internet.
    """
    try:
        target = parse_target(url, "API", ("http", "https"))
    except InvalidRequest as error:
        raise InvalidRequest(f"{provider.base_variable} is no address of a provider: {error}") from None
    if target.scheme == "http" and not _inside(target):
        raise InvalidRequest(
            f"{provider.base_variable} begins with http://, where anyone on the way could read the key and the "
            "picture: https:// is needed, unless the host is one of this network."
        )


def _inside(target: Target) -> bool:
    """Whether a host is one of this network, as far as that can be told without looking it up."""
    try:
        return reach(target.host) == "private"
    except ValueError:
        return "." not in target.host or target.host.endswith(_INSIDE)


def _from_keyring(name: str) -> str:
    """A key of the system's keyring; empty where there is none, or no keyring."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        found = keyring.get_password(SERVICE, name)
    except KeyringError:
        return ""
    return found.strip() if isinstance(found, str) else ""
