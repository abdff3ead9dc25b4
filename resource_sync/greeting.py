"""Says where the product is and how to sign in, once it answers.

Run as a program beside the supervisor that ``make run`` turns into: it gets the text on
its standard input, shows it as soon as ``/health`` says yes, and ends.
"""

import http.client
import json
import os
import subprocess
import sys
import time

from resource_sync.closed_pipes import forgiven

START_PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.02

Address = tuple[str, int, str]  # host and port, and the Host header


def address() -> Address:
    """Return where ``/health`` answers on this machine."""
    from django.conf import settings

    from tasks.own_url import LOCAL_NAMES

    host = LOCAL_NAMES.get(settings.HOST, settings.HOST).strip("[]")
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    return host, settings.PORT, (names or [host])[0]


def say_when_it_answers(text: str) -> None:
    """Have the text shown while this process goes on and becomes the supervisor."""
    program = subprocess.Popen(
        [sys.executable, "-m", "resource_sync.greeting", *map(str, address())],
        stdin=subprocess.PIPE,
    )
    assert program.stdin is not None  # noqa: S101
    program.stdin.write(text.encode())
    program.stdin.close()


def why_not_healthy(where: Address) -> str | None:
    """Return why ``/health`` says no, or nothing where it says yes."""
    host, port, name = where
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health", headers={"Host": name})
        answer = connection.getresponse()
        if answer.status == http.HTTPStatus.OK:
            return None
        reason = json.loads(answer.read()).get("reason")
        return str(reason or f"/health answers {answer.status}.")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"It does not answer yet ({error})."
    finally:
        connection.close()


def wait_for_health(where: Address, *, parent: int | None = None) -> str | None:
    """Wait until it is healthy, or for START_PATIENCE_SECONDS; returns why it is not.
    Ends sooner where the parent is gone."""
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while why := why_not_healthy(where):
        is_left = parent is not None and os.getppid() != parent
        if time.monotonic() > deadline or is_left:
            break
        time.sleep(LOOK_SECONDS)
    return why


def main(host: str, port: str, name: str) -> None:
    where, parent, text = (host, int(port), name), os.getppid(), sys.stdin.read()
    while why := wait_for_health(where, parent=parent):
        if os.getppid() != parent:
            return
        with forgiven(2):
            sys.stderr.write(f"Not ready yet: {why} See the log; it goes on trying.\n")
            sys.stderr.flush()
    with forgiven(1):
        sys.stdout.write(text)
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
