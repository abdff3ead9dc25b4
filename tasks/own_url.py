"""Where people open the service's pages, as far as the settings say it."""

from django.conf import settings

# An address that means "every one of mine" is no name to open in a browser.
LOCAL_NAMES = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (shown, not bound)


def own_url() -> str:
    """Return the URL of the pages, without a slash at its end."""
    host = settings.HOST
    local = LOCAL_NAMES.get(host, f"[{host}]" if ":" in host else host)
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    public = [name for name in names if name not in {"localhost", "127.0.0.1", "[::1]"}]
    if settings.HTTPS and public:
        return f"https://{public[0]}"
    if local not in names and "*" not in settings.ALLOWED_HOSTS and names:
        local = names[0]
    return f"http://{local}:{settings.PORT}"
