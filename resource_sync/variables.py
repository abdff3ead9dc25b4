"""The variables that are read, so that a misspelt one in ``.env`` is named."""

import difflib
from collections.abc import Iterable, Iterator

# Read by the start, the engine and the libraries, and not by settings.py.
ELSEWHERE = (
    *("ADMIN_PASSWORD", "RESOURCE_SOURCE", "RESOURCE_MANIFEST", "RESOURCE_STORE"),
    *("RESOURCE_HEADERS", "RESOURCE_PLATFORMS", "RESOURCE_WINDOWS_NAMES"),
    *("RESOURCE_STORE_IOS", "RESOURCE_STORE_ANDROID", "RESOURCE_STORE_FACEBOOK"),
    "RESOURCE_PUBLIC_URL",
    "RESOURCE_PURGE",
    *("RESOURCE_SIGNING_KEY", "RESOURCE_TRUSTED_KEYS", "RESOURCE_POINTER_EXPIRES"),
)
OTHERS_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "LC_", "PG", "PYTHON", "SSL_")
OTHERS = {
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
}
ALIKE = 0.75  # TASK_RETENTON and TASK_RETENTION: 0.96


def misspelt(found: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Return one sentence for each variable that nothing reads."""
    there = {*known, *ELSEWHERE}
    for name in found:
        is_another_s = name.upper() in OTHERS or name.startswith(OTHERS_PREFIXES)
        if name in there or is_another_s:
            continue
        likely = difflib.get_close_matches(name.upper(), there, n=1, cutoff=ALIKE)
        hint = f"did you mean {likely[0]}?" if likely else "see .env.example."
        yield f"{name} in .env is not a variable that is read; {hint}"
