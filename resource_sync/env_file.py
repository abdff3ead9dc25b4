"""Makes the secrets of an installation and keeps them in ``.env``.

Nothing of Django is imported here: its settings need the file.
"""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"


def new_secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "API_KEY": f"rs_{secrets.token_urlsafe(32)}",
        "ADMIN_PASSWORD": secrets.token_urlsafe(12),
    }


def write_env_file(path: Path) -> list[str]:
    """Make ``.env`` with secrets of its own, or add them to one that no start has had
    yet; returns which were made."""
    try:
        return _complete(path) if path.exists() else _create(path)
    except (OSError, UnicodeError) as error:
        if os.environ.get("SECRET_KEY"):
            return []
        reason = getattr(error, "strerror", None) or error
        raise SystemExit(
            f"{path} can't be read and written ({reason}); expected text in "
            "UTF-8 of the account that starts the service, or SECRET_KEY in the "
            "environment."
        ) from error


def _create(path: Path) -> list[str]:
    made = new_secrets()
    content = (
        "# Made by the first start. The environment wins over this file;\n"
        "# .env.example has every variable.\n"
        f"{_lines(made)}"
    )
    # mkstemp makes it 0600; link() fails where somebody was faster, so that nothing
    # is ever overwritten and nobody sees half a file.
    handle, name = tempfile.mkstemp(prefix=".env.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
    return list(made)


def _complete(path: Path) -> list[str]:
    """Add what a file lacks that has no SECRET_KEY. A name that stands there without a
    value was left empty by somebody, who wants none of it."""
    from dotenv import dotenv_values

    there = dotenv_values(path)
    if os.environ.get("SECRET_KEY") or there.get("SECRET_KEY"):
        return []
    made = {
        name: value
        for name, value in new_secrets().items()
        if name == "SECRET_KEY" or not (name in there or name in os.environ)
    }
    text = path.read_text()
    with path.open("a") as file:
        # Before it has secrets. One of root's may be shared with the service's group.
        if os.fstat(file.fileno()).st_uid == os.geteuid():
            os.fchmod(file.fileno(), 0o600)
        file.write("" if text.endswith("\n") or not text else "\n")
        file.write(_lines(made))
    return list(made)


def _lines(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
