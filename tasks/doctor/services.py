"""What others run for the service: Redis, the stores, the OpenID provider; and the keys
that programs come in by."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime

import requests
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.access.single_sign_on import DISCOVERY
from tasks.doctor.database import clock_finding
from tasks.doctor.findings import Finding, ok, problem, skipped, warning
from tasks.models import ApiKey

ENDING_DAYS = 14
ANSWER_SECONDS = 5.0
PROBE_SECONDS = 50.0
# Who answers for a bucket where no endpoint is named; any answer has a Date.
ENDPOINTS = {
    "s3": "https://s3.amazonaws.com/",
    "gs": "https://storage.googleapis.com/",
}


def keys() -> Iterator[Finding]:
    """None ends soon that somebody still counts on."""
    now = timezone.now()
    usable = ApiKey.objects.usable()
    ending = usable.filter(expires_at__lt=now + timedelta(days=ENDING_DAYS))
    for key in ending.order_by("expires_at"):
        yield warning(
            _("The API key %(key)s ends at %(moment)s UTC.")
            % {"key": key, "moment": f"{key.expires_at:%Y-%m-%d %H:%M}"},
            _("Make another (`manage.py create_api_key`), give it to the program, and "
              "revoke this one."),
        )  # fmt: skip
    # Whoever used it to the end may not know yet why nothing works any more.
    ended = ApiKey.objects.filter(
        revoked_at=None,
        expires_at__range=(now - timedelta(days=ENDING_DAYS), now),
        last_used_at__gt=now - timedelta(days=2 * ENDING_DAYS),
    )
    for key in ended.order_by("expires_at"):
        yield warning(
            _("The API key %(key)s has ended at %(moment)s UTC.")
            % {"key": key, "moment": f"{key.expires_at:%Y-%m-%d %H:%M}"},
            _("Make another (`manage.py create_api_key`), or revoke it, if nobody "
              "misses it."),
        )  # fmt: skip
    if not (ending or ended):
        text = ngettext(
            "%(count)s API key is usable, and doesn't end within %(days)s days.",
            "%(count)s API keys are usable, and none ends within %(days)s days.",
            usable.count(),
        )
        yield ok(text % {"count": usable.count(), "days": ENDING_DAYS})


def redis() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        yield skipped(_("REDIS_URL is not set."))
        return
    from redis import Redis, RedisError

    client = Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
    )
    began = time.monotonic()
    try:
        client.ping()
    except RedisError as error:
        text = _("Redis does not answer, so requests are not limited: %(why)s")
        yield problem(
            text % {"why": " ".join(str(error).split())[:200]},
            _("Start it, or set REDIS_URL right; nothing else waits for it."),
        )
    else:
        milliseconds = round((time.monotonic() - began) * 1000)
        text = _("Redis answers in %(milliseconds)s ms.")
        yield ok(text % {"milliseconds": milliseconds})
    finally:
        client.close()


# --- Stores ---------------------------------------------------------------------------


def stores() -> Iterator[Finding]:
    """The engine's own probe writes to each store and takes it away again."""
    command = [sys.executable, "-m", "resources", "probe"]
    environment = {**os.environ, "DATA_DIR": str(settings.DATA_DIR)}
    try:
        done = subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = _("A store does not answer within %(seconds)s s.")
        yield problem(
            text % {"seconds": round(PROBE_SECONDS)},
            _("Is its server reachable from this machine? `.venv/bin/python -m "
              "resources probe` shows how far it gets."),
        )  # fmt: skip
        return
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    if done.returncode == 0:
        for line in lines:
            if re.search(r" fits(\.|, and so does )|^.* works, but ", line):
                yield ok(line)
    else:
        yield problem(
            said[:500],
            _("`.venv/bin/python -m resources probe` shows all that it tried; "
              "docs/how-to/stores.md has what each store needs."),
        )  # fmt: skip


def store_clock() -> Iterator[Finding]:
    """Requests to a bucket are signed by the time; 15 minutes off, all are refused."""
    place = os.environ.get("RESOURCE_STORE", "")
    scheme = place.partition(":")[0]
    if scheme not in {"s3", "gs", "az"}:
        yield skipped(_("No store is a bucket, which would have a clock of its own."))
        return
    variables = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if scheme == "s3" else ()
    named = [url for name in variables if (url := os.environ.get(name))]
    url = named[0] if named else ENDPOINTS.get(scheme)
    if not url:
        yield skipped(_("The address of the store's server is not known."))
        return
    yield from _clock_of(_("the store"), url)


def _clock_of(whose: str, url: str) -> Iterator[Finding]:
    began = time.time()
    try:
        answer = requests.head(url, timeout=ANSWER_SECONDS, allow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError, TypeError):
        yield skipped(_("The server of %(whose)s sends no Date.") % {"whose": whose})
        return
    yield clock_finding(whose, theirs, (began + time.time()) / 2)


# --- Single sign-on -------------------------------------------------------------------


def provider() -> Iterator[Finding]:
    """The OpenID provider answers as the one that is set."""
    if not settings.OIDC:
        yield skipped(_("OIDC_ISSUER is not set."))
        return
    issuer = settings.OIDC.issuer
    url = issuer.rstrip("/") + DISCOVERY
    advice = _(
        "Is OIDC_ISSUER what the provider calls itself, and is it reachable? "
        "Meanwhile nobody signs in by it."
    )
    try:
        answer = requests.get(url, timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        found = answer.json()
        named = found["issuer"]
        missing = [
            name
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if name not in found
        ]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        text = _("The OpenID provider does not answer at %(url)s: %(why)s")
        why = f"{type(error).__name__}: {error}"[:200]
        yield problem(text % {"url": url, "why": why}, advice)
        return
    if named != issuer:
        text = _("The OpenID provider calls itself %(theirs)s, not %(ours)s.")
        yield problem(text % {"theirs": str(named)[:200], "ours": issuer}, advice)
    elif missing:
        text = _("The OpenID provider says nothing of %(names)s.")
        yield problem(text % {"names": ", ".join(missing)}, advice)
    else:
        yield ok(_("The OpenID provider %(issuer)s answers.") % {"issuer": issuer})
