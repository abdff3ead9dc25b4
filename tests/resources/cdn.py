"""A real nginx that serves a store as its origin, and caches it as a CDN would."""

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress

from resources.delivery.nginx import nginx_rules
from resources.stores.headers import Headers
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
SITE = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/client; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=cdn:1m;
    include {folder}/headers.conf;
    server {{
        listen 127.0.0.1:{origin};
        root {store};
        location / {{
{lines}
        }}
    }}
    server {{
        listen 127.0.0.1:{port}{listening};
        proxy_cache cdn;
        proxy_cache_valid 200 1h;
        add_header X-Cache $upstream_cache_status always;
        access_log {folder}/requests;
        {settings}
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
}}
"""


@contextmanager
def cdn(folder, store, settings="", *, headers=None, listening=""):
    """Serve a store through a CDN, and give the CDN's address.

    ``settings`` are lines of the CDN's server, where ``ORIGIN`` is the address behind
    it; ``listening`` is what else its port takes, such as ``ssl``.
    """
    rules = nginx_rules(headers or Headers())
    (folder / "headers.conf").write_text(rules)
    lines = [
        line.removeprefix("#") for line in rules.splitlines() if line[:5] == "#    "
    ]
    port, origin = free_port(), free_port()
    site = folder / "nginx.conf"
    site.write_text(
        SITE.format(
            folder=folder,
            store=store,
            port=port,
            origin=origin,
            lines="\n".join(lines),
            listening=listening,
            settings=settings.replace("ORIGIN", f"http://127.0.0.1:{origin}"),
        )
    )
    server = subprocess.Popen([NGINX, "-c", site, "-e", folder / "errors"])
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        assert server.poll() is None, (folder / "errors").read_text()
        scheme = "https" if "ssl" in listening else "http"
        yield f"{scheme}://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()
