"""A stock client of Cocos, which knows two fixed addresses and no pointer.

It does what AssetsManagerEx does (cocos-engine, native/extensions/assets-manager):
``version.manifest`` first, where that is newer ``project.manifest``, where that is
newer, too, the files that differ, from its ``packageUrl``.
"""

import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from resources.manifests.cocos_version import compare_versions


class CocosClient:
    """A player's game: the manifest that it has, and the files.

    ``fetch`` gives what lies at an address, None where nothing does.
    """

    def __init__(self, manifest, files, fetch):
        self.manifest = manifest
        self.files = dict(files)
        self.fetch = fetch

    @property
    def version(self):
        return self.manifest["version"]

    def update(self):
        """Look for a newer version, load it, and give the version that it has then."""
        found = self._object(self.manifest["remoteVersionUrl"])
        if found is not None and not self._is_newer(found):
            return self.version
        project = self._object(self.manifest["remoteManifestUrl"])
        if project is None or not self._is_newer(project):
            return self.version
        before = self.manifest["assets"]
        files = {path: self.files[path] for path in project["assets"].keys() & before}
        package = project["packageUrl"].rstrip("/") + "/"
        for path, asset in project["assets"].items():
            if before.get(path, {}).get("md5") == asset["md5"]:
                continue
            content = self.fetch(f"{package}{path}?md5={asset['md5']}")
            assert content is not None, f"{path} of {package} is not there"
            files[path] = content
        self.manifest, self.files = project, files
        self.require_whole()
        return self.version

    def require_whole(self):
        """Fail unless the files are just those of one version."""
        assert self.files.keys() == self.manifest["assets"].keys()
        for path, asset in self.manifest["assets"].items():
            content = self.files[path]
            assert hashlib.md5(content).hexdigest() == asset["md5"], path
            assert asset.get("size", len(content)) == len(content), path

    def _is_newer(self, found):
        return compare_versions(self.version, found.get("version", "")) < 0

    def _object(self, url):
        content = self.fetch(url)
        try:
            return None if content is None else json.loads(content)
        except ValueError:
            return None


def new_client(base, fetch, channel=""):
    """Give a game as it comes from an app store: older than all, without files."""
    where = f"{base}/{channel}/" if channel else f"{base}/"
    urls = {"remoteVersionUrl": f"{where}version.manifest"}
    urls["remoteManifestUrl"] = f"{where}project.manifest"
    return CocosClient({**urls, "version": "0.0.1", "assets": {}}, {}, fetch)


def fetch_by_http(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read()
    except urllib.error.HTTPError:
        return None


def fetch_from(store):
    """Give what a web server would of a store in a folder, without the server."""

    def fetch(url):
        path = Path(store) / unquote(urlsplit(url).path).removeprefix("/games/")
        return path.read_bytes() if path.is_file() else None

    return fetch
