"""The Hugging Face hub: whether it can be asked at all, before its library tries for a minute."""

import os
import socket
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from rote.core.files import first_line

TIMEOUT_S = 5


@cache
def answers() -> bool:
    """Whether the hub, or the proxy before it, takes a connection; asked once in a process.

    `HF_ENDPOINT` names another hub; under `HF_HUB_OFFLINE` it is not asked.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    hub = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    proxies = getproxies()
    proxy = proxies.get(hub.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(hub.hostname or ""):
        hub = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
    port = hub.port or {"http": 80}.get(hub.scheme, 443)
    try:
        socket.create_connection((hub.hostname or "", port), TIMEOUT_S).close()
    except OSError:
        return False
    return True


def fault(name: str, error: Exception) -> str:
    """What an error says, and before it that a name was looked for on this machine alone.

    Args:
        name: of a model, tokenizer or data set; a folder is read without the hub.
        error: of the library.
    """
    if Path(name).expanduser().is_dir() or answers():
        return first_line(error)
    return f"there is no folder {name}, and the hub does not answer ({first_line(error)})"
