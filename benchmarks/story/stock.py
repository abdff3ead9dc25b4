"""A stock client of Cocos: it knows one fixed address, no channels and no rollouts.

It looks at ``version.manifest``, then gets ``project.manifest`` and each asset beneath
its ``packageUrl``, and compares their MD5, as AssetsManagerEx does.
https://docs.cocos.com/creator/3.8/manual/en/advanced-topics/assets-manager.html
"""

import hashlib
import http.client
import json
from collections.abc import Callable
from urllib.parse import quote, urlsplit

Get = Callable[[str], bytes | None]  # of an address; None where nothing is there


def installed(port: int, platform: str) -> tuple[str, dict[str, str]] | None:
    """Return the version that a new client installs, and its files' SHA-256 by path.

    None where the store has no fixed address. Raises RuntimeError for what a client
    would refuse.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(address: str) -> bytes | None:
        connection.request("GET", urlsplit(address).path)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise RuntimeError(f"{address} is answered by {answer.status}")
        return content

    try:
        return _installed(get, f"/{platform}/version.manifest")
    finally:
        connection.close()


def _installed(get: Get, address: str) -> tuple[str, dict[str, str]] | None:
    content = get(address)
    if content is None:
        return None
    version = json.loads(content)
    project = json.loads(get(version["remoteManifestUrl"]) or b"{}")
    if project.get("version") != version["version"]:
        text = f"{version['version']} is told, {project.get('version')} is there"
        raise RuntimeError(text)
    root, files = project["packageUrl"].rstrip("/"), {}
    for key, asset in project["assets"].items():
        path = asset.get("path", key)
        data = get(f"{root}/{quote(path, safe='/%')}")
        if data is None:
            raise RuntimeError(f"{path} is not beneath {root}")
        if hashlib.md5(data, usedforsecurity=False).hexdigest() != asset["md5"]:
            raise RuntimeError(f"{path} beneath {root} has another MD5")
        files[path] = hashlib.sha256(data).hexdigest()
    return version["version"], files
