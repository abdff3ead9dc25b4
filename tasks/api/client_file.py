"""``GET /client``: the program ``resource-sync``, one file, made for the service that
hands it out."""

import ast
import base64
import hashlib
from collections import defaultdict
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from rest_framework.request import Request

from tasks.access.admission import base_url
from tasks.api.about import PublicView
from tasks.api.schema import described

NAME = "resource-sync"
ROOM = "client"
# Each uses only names of those before it while it is being read.
MODULES = (
    "made_for",
    "words",
    "errors",
    "terminal",
    "account",
    "service",
    "events",
    "following",
    "several",
    "tasks",
    "releases",
    "login",
    "options",
    "completion",
    "__main__",
)
HEAD = '''#!/usr/bin/env python3
"""resource-sync {version}: start release tasks, and watch every line of them.

For Python 3.9 and newer, without dependencies or installation: chmod +x, and put it
where programs are. resource-sync --help says more. Handed out by
{service}/client
"""

from __future__ import annotations

'''
# The names that are taken from each module; of "" the modules themselves.
Imports = defaultdict[str, set[str]]
PLAIN_TEXT = "text/plain; charset=utf-8"


def client_for(service: str) -> bytes:
    """Return the program for the service with this URL.

    The modules of the room in their order, without what joins them: their own
    docstrings, and their imports from one another.
    """
    imports, bodies = _joined()
    head = HEAD.format(version=settings.VERSION, service=service)
    made_for = f"VERSION = {settings.VERSION!r}\nSERVICE = {service!r}\n"
    return (head + imports + "\n\n" + made_for + bodies).encode()


@cache
def _joined() -> tuple[str, str]:
    """Return the imports of all modules, and what else is in them."""
    imports: Imports = defaultdict(set)
    bodies = []
    for name in MODULES[1:]:
        path = Path(settings.BASE_DIR, ROOM, f"{name}.py")
        bodies.append(f"\n\n# --- {name} ---\n\n{_body(path, imports)}")
    statements = [f"import {name}\n" for name in sorted(imports.pop(""))]
    statements += [
        f"from {module} import {', '.join(sorted(names))}\n"
        for module, names in sorted(imports.items())
    ]
    return "".join(statements), "".join(bodies)


def _body(path: Path, imports: Imports) -> str:
    """Return a module without docstring and imports, which go to the others."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if not module.startswith((f"{ROOM}.", "__future__")):
                imports[module] |= {name.name for name in node.names}
        elif node.lineno > 1:
            continue
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            lines[number - 1] = ""
    return "".join(lines).strip() + "\n"


class ClientView(PublicView):
    @described(
        "The command-line client",
        "The program `resource-sync`: one file for Python 3.9 and newer, without "
        "dependencies, made for the service that hands it out. `Repr-Digest` "
        "(RFC 9530) and `/client.sha256` have its SHA-256.",
        operation_id="getClient",
        is_public=True,
        tags=("about",),
        answers={(200, "text/x-python"): str},
        problems=(400, 429),
    )
    def get(self, request: Request) -> HttpResponseBase:
        program = client_for(base_url(request))
        digest = hashlib.sha256(program).digest()
        response = HttpResponse(program, "text/x-python; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{NAME}"'
        response["Repr-Digest"] = f"sha-256=:{base64.b64encode(digest).decode()}:"
        return response


class ClientDigestView(PublicView):
    @described(
        "The client's SHA-256",
        "As `sha256sum -c` reads it.",
        operation_id="getClientDigest",
        is_public=True,
        tags=("about",),
        answers={(200, "text/plain"): str},
        problems=(400, 429),
    )
    def get(self, request: Request) -> HttpResponseBase:
        digest = hashlib.sha256(client_for(base_url(request))).hexdigest()
        return HttpResponse(f"{digest}  {NAME}\n", PLAIN_TEXT)
