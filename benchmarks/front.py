"""nginx in front of the product, with the site and the cache of logs that are shipped.

Changed in them are ports, paths and how many connections a worker takes. A second log
has the requests that went on to the service, those for rights, too.
"""

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Self

import psutil
from servers import ROOT, START_SECONDS, Server, free_port

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
SHIPPED = ROOT / "deploy" / "nginx"
MAY_READ = "/_may_read"
FRAME = """\
{user}daemon off; worker_processes auto;
pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 30000; }}
http {{
    access_log off; {temporary}
    # Volatile, since a question for rights shares its variables with the request.
    map $upstream_addr $reached {{ volatile; "" 0; default 1; }}
    log_format reached "$msec $uri $status $args";
    include {folder}/site.conf;
}}
"""


class Front:
    """A running nginx. Use it as a context."""

    def __init__(self, folder: Path, server: Server, *, caches: bool) -> None:
        if NGINX is None:
            raise RuntimeError("nginx is not there: apt install nginx")
        self.name = "cache" if caches else "no cache"
        self.folder, self.port = folder, free_port()
        self.api_key = server.api_key  # as clients.Clients wants a server's
        folder.mkdir()
        self._reached = folder / "reached"
        log = f"access_log {self._reached} reached if=$reached;"
        access = f"access_log {folder}/access resource_sync;"
        site = _changed(
            (SHIPPED / "resource-sync.conf").read_text(),
            ("listen 80;", f"listen 127.0.0.1:{self.port} backlog=4096;"),
            ("server 127.0.0.1:3000;", f"server 127.0.0.1:{server.port};"),
            (
                "access_log /var/log/nginx/resource-sync.access.log resource_sync;",
                f"{access} {log}",
            ),
            ("/var/log/nginx/resource-sync.error.log", f"{folder}/site-errors"),
        )
        if caches:
            site = site.replace("/etc/nginx/resource-sync-log-cache.conf",
                                f"{folder}/log-cache.conf")  # fmt: skip
            site = site.replace("/var/cache/nginx/", f"{folder}/kept-")
            site = "\n".join(map(_uncommented, site.splitlines()))
            cache = _changed(
                (SHIPPED / "log-cache.conf").read_text(),
                (f"location = {MAY_READ} {{",
                 f"location = {MAY_READ} {{ log_subrequest on; {log}"),
            )  # fmt: skip
            (folder / "log-cache.conf").write_text(cache)
        (folder / "site.conf").write_text(site)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = FRAME.format(
            # Its workers write into the folder, which is the user's alone.
            user="user root; " if os.geteuid() == 0 else "",
            folder=folder,
            temporary=" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
        )
        (folder / "nginx.conf").write_text(text)

    def __enter__(self) -> Self:
        errors = self.folder / "errors"
        command = [NGINX, "-e", errors, "-c", self.folder / "nginx.conf"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"nginx does not start: {errors.read_text()}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/health/ready"
            with urllib.request.urlopen(url) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(START_SECONDS)

    def cpu_seconds(self) -> float:
        """Of its workers, since its start."""
        master = psutil.Process(self._process.pid)
        each = [one.cpu_times() for one in master.children()]
        return sum(times.user + times.system for times in each)

    def reached(self, task_id: str) -> tuple[Counter[str], int]:
        """Return how often each query of a task's log reached the service, and how
        often it was asked for rights; call it once the server has stopped."""
        log, rights = f"/api/tasks/{task_id}/log", 0
        queries: Counter[str] = Counter()
        for line in self._reached.read_text().splitlines():
            _, uri, _, args = line.split(" ", 3)
            queries[args] += uri == log
            rights += uri == MAY_READ
        return +queries, rights


def _changed(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        if text.count(old) != 1:
            raise RuntimeError(f"What is shipped for nginx no longer has {old!r}.")
        text = text.replace(old, new)
    return text


def _uncommented(line: str) -> str:
    """Take the comment sign from what log-cache.conf says."""
    text = line.lstrip().removeprefix("#").strip()
    is_meant = text.startswith(("proxy_cache_path ", "keys_zone=", "include "))
    return text if is_meant else line
