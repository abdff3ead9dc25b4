"""The way to the players: an origin in front of the store, and a CDN in front of that.

Both are nginx. The origin of a store in a folder serves it with the headers that
``python -m resources headers --nginx`` prints; that of a bucket passes on what the
server says. The CDN keeps content as long as its headers say, and a pointer, which
asks to be looked for each time, for one second: a thousand players then cost the
origin one request a second, and each of them sees a move a second or two later.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
START_SECONDS = 60
# nginx counts whole seconds, so one second may be nearly two.
MOST_STALE_SECONDS = 2.0

# Moto lets in whoever says that the request is signed, whatever the signature.
SIGNED = "AWS story:none"

ENDS_KEPT = "keepalive_timeout 300; keepalive_requests 1000000;"
FRAME = """\
{user}daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    log_format measured "$msec $upstream_cache_status $status $bytes_sent $uri";
    access_log {folder}/access measured buffer=64k flush=1s;
    {temporary}
    tcp_nodelay on; {kept}
{http}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
{server}
    }}
}}
"""
FOLDER_SERVER = """\
        root {store};
        # Not all names with a dot: games have such files, a .gitattributes was seen.
        location ~ ^/[^/]+/(?:\\.staging|versions/\\.pruned)/ {{ return 404; }}
        location / {{
{headers}
        }}
"""
BUCKET_HTTP = "    upstream bucket { server %s; keepalive 16; }\n"
BUCKET_SERVER = """\
        location / {{
            proxy_pass http://bucket/{prefix}/;
            proxy_http_version 1.1;
            proxy_set_header Authorization "{signed}";
            proxy_set_header Connection "";
        }}
"""
CDN_HTTP = """\
    proxy_cache_path {folder}/cache keys_zone=players:20m max_size=10g inactive=1d
        use_temp_path=off;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 32; }}
    split_clients $request_id $edge {{ {share}% {wrong}; * {empty}; }}
"""
CDN_SERVER = """\
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_cache players;
        proxy_cache_key $uri;
        proxy_cache_lock on;
        # What a broken edge holds comes before what the origin says.
        root $edge;
        default_type application/octet-stream;
        location / {
            try_files $uri @content;
        }
        location ~ ^/[^/]+/(?:current\\.json|channels/[^/]+\\.json)$ {
            try_files $uri @pointer;
        }
        location @content {
            proxy_pass http://origin;
        }
        location @pointer {
            proxy_pass http://origin;
            proxy_ignore_headers Cache-Control Expires;
            proxy_cache_valid 200 1s;
            proxy_cache_revalidate on;
            proxy_cache_use_stale updating;  # one asks, the others don't wait
        }
"""


@dataclass(frozen=True)
class Request:
    """A line of an access log: when it was answered (time.time()), and how."""

    at: float
    cache: str  # HIT, MISS, REVALIDATED …, or - where no cache was asked
    status: int
    bytes_sent: int
    path: str


class Server:
    """A running nginx."""

    def __init__(self, folder: Path, port: int, http: str, server: str) -> None:
        if NGINX is None:
            raise RuntimeError("nginx is not there: apt install nginx")
        self.folder, self.port = folder, port
        self.url = f"http://127.0.0.1:{port}"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        text = FRAME.format(
            # Its workers write into the folder, which is the user's alone.
            user="user root; " if os.geteuid() == 0 else "",
            folder=folder, port=port, http=http, server=server, kept=ENDS_KEPT,
            temporary=" ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds),
        )  # fmt: skip
        (folder / "nginx.conf").write_text(text)
        command = [NGINX, "-e", folder / "errors", "-c", folder / "nginx.conf"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not _is_open(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                errors = (folder / "errors").read_text()
                raise RuntimeError(f"nginx does not start: {errors}")
            time.sleep(0.02)

    def requests(self) -> list[Request]:
        """Return what the server was asked; call it once the server has stopped."""
        found = []
        for line in (self.folder / "access").read_text().splitlines():
            at, cache, status, size, path = line.split(" ", 4)
            found.append(Request(float(at), cache, int(status), int(size), path))
        return found

    def stop(self) -> None:
        """End it, with its log written."""
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(5)  # it waits for connections that players keep
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait(START_SECONDS)


def origin_of_folder(folder: Path, port: int, store: Path, rules: str) -> Server:
    """Start the origin of a store in a folder; ``rules`` are the engine's headers."""
    (folder / "headers.conf").write_text(rules)
    lines = [line.removeprefix("#") for line in rules.splitlines()]
    uses = "\n".join(line for line in lines if line.startswith("     "))
    server = FOLDER_SERVER.format(store=store, headers=uses)
    return Server(folder, port, f"    include {folder}/headers.conf;", server)


def origin_of_bucket(folder: Path, port: int, host: str, prefix: str) -> Server:
    """Start the origin of a store in a bucket that anybody may read."""
    server = BUCKET_SERVER.format(prefix=prefix, signed=SIGNED)
    return Server(folder, port, BUCKET_HTTP % host, server)


class Cdn(Server):
    """A CDN, which may be made to serve what is wrong.

    Files in ``wrong`` are served instead of the origin's, to ``share`` % of requests.
    """

    def __init__(self, folder: Path, port: int, origin: Server, share: int) -> None:
        self.wrong, empty = folder / "wrong", folder / "empty"
        self.wrong.mkdir()
        empty.mkdir()
        http = CDN_HTTP.format(
            folder=folder, origin=origin.port, share=share, wrong=self.wrong,
            empty=empty,
        )  # fmt: skip
        super().__init__(folder, port, http, CDN_SERVER)


def _is_open(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
