"""Can the Hugging Face hub be reached? Asked once per process, answered within two and a half seconds.

The hub's own client tries again and again before it gives up: a compute node without internet would wait for
minutes. Whoever is about to download asks here first. Imports nothing that is slow.
"""

import os
import threading
import urllib.parse
from functools import cache
from typing import Any

DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE = {"1", "ON", "YES", "TRUE"}  # as huggingface_hub reads its variables


def _flag(name: str) -> bool:
    return os.environ.get(name, "").upper() in _TRUE


@cache
def hub_reachable(timeout: float = 2.5) -> bool:
    """Whether the hub answers a request: an open port is not enough, since a dead proxy or firewall has one too.

    ``HF_HUB_OFFLINE`` and ``TRANSFORMERS_OFFLINE`` answer no at once; ``HF_ENDPOINT`` and the proxy variables say whom
    to ask. The answer is kept for the life of the process (``hub_reachable.cache_clear()`` forgets it).

    Args:
        timeout: seconds for name resolution, connection and answer together. The probe runs in a thread of its own,
            since name resolution cannot be given a timeout.
    """
    if _flag("HF_HUB_OFFLINE") or _flag("TRANSFORMERS_OFFLINE"):
        return False
    from huggingface_hub.utils import get_session

    endpoint = os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
    client = get_session()  # now: importing it and reading its certificates must not eat the probe's time
    answered = threading.Event()

    def probe() -> None:
        if _answers(client, endpoint, timeout):
            answered.set()

    thread = threading.Thread(target=probe, name="hub-probe", daemon=True)
    thread.start()
    thread.join(timeout)
    return answered.is_set()


def _answers(client: Any, endpoint: str, timeout: float) -> bool:
    """Any status below 500 will do: the requests that follow judge the rest. 5xx is what a proxy says of a dead hub.

    Asked by the client that will download: what it does not trust (a certificate) is out of its reach.
    """
    try:
        urllib.parse.urlsplit(endpoint)  # the client has an error of its own for what is no address
        return bool(client.head(endpoint, timeout=timeout, follow_redirects=False).status_code < 500)
    except (*client_errors(), ValueError):  # no route, refused, unknown host, no answer, hung up; no address
        return False


def client_errors() -> tuple[type[BaseException], ...]:
    """What a request to the hub may raise: the errors of the hub's HTTP client, whichever library that is."""
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, *HfHubHTTPError.__bases__)
