"""A small OpenID provider on loopback, which can be told to do wrong."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "resource-sync", "a-secret-of-the-client"


class OpenIdProvider:
    """Authorization code with PKCE, as RFC 6749, RFC 7636 and OpenID Connect Core 1.0
    have it. ``claims``: of whoever signs in next; ``lie(**claims)``: what its ID tokens
    say otherwise."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "first"})
        self.claims = {"sub": "248289761001", "preferred_username": "ada"}
        self.lies: dict[str, object] = {}
        self.user_info: dict[str, object] | None = None
        self.id_token = True
        self.error = ""
        self._codes: dict[str, dict[str, str]] = {}

    def swap_key(self, *, is_published: bool) -> None:
        """Sign with another key from now on, under the same id where nobody is told."""
        kid = "second" if is_published else "first"
        self.key = RSAKey.generate_key(2048, {"kid": kid})
        if is_published:
            self.published = self.key

    # --- Endpoints ------------------------------------------------------------------

    def discovery(self) -> dict[str, object]:
        found: dict[str, object] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        if self.user_info is not None:
            found["userinfo_endpoint"] = f"{self.issuer}/userinfo"
        return found

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser goes on."""
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        if self.error:
            more = {"error": self.error}
        else:
            more = {"code": secrets.token_urlsafe(16)}
            self._codes[more["code"]] = query
        return f"{query['redirect_uri']}?{urlencode({**more, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, object]:
        asked = self._codes.pop(form["code"])  # each once
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert challenge == asked["code_challenge"]
        assert form["redirect_uri"] == asked["redirect_uri"]
        now = int(time.time())
        found: dict[str, object] = {"access_token": "an-access", "token_type": "Bearer"}
        if self.id_token:
            claims = {
                "iss": self.issuer,
                "aud": CLIENT_ID,
                "iat": now,
                "exp": now + 300,
                "nonce": asked["nonce"],
                **self.claims,
                **self.lies,
            }
            header = {"alg": "RS256", "kid": self.key.kid}
            found["id_token"] = jwt.encode(header, claims, self.key)
        return found

    def keys(self) -> dict[str, object]:
        return {"keys": [self.published.as_dict(private=False)]}


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
                return
            self._answer(
                {
                    "/.well-known/openid-configuration": provider.discovery,
                    "/keys": provider.keys,
                    "/userinfo": lambda: provider.user_info,
                }[parts.path]()
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            client = f"{CLIENT_ID}:{CLIENT_SECRET}".encode()
            expected = f"Basic {base64.b64encode(client).decode()}"
            assert self.headers["Authorization"] == expected
            self._answer(provider.token(form))

        def _answer(self, found: object) -> None:
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = OpenIdProvider(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
