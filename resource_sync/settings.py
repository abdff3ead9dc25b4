"""Every setting of the product, read from the environment and ``.env``.

A wrong value stops the start with one line that names the variable and what it
takes. The table of variables is in README.md and ``.env.example``.
"""

import hashlib
import ipaddress
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dotenv import load_dotenv
from environs import Env

from resource_sync import private_files
from resource_sync.database import WrongUrl, database, without_password

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "1.0.0"

T = TypeVar("T")


class SettingError(SystemExit):
    """Stops the start with one line, as the shell shows it."""


# Every process of the service comes by here before it writes its first file.
os.umask(private_files.UMASK)

# Into the real environment, because programs started from here read it, too: AWS_*,
# RESOURCE_*. What is set already wins.
try:
    load_dotenv(BASE_DIR / ".env")
except (OSError, UnicodeError) as error:
    raise SettingError(
        f"{BASE_DIR / '.env'} can't be read ({getattr(error, 'strerror', error)}); it "
        "takes a text in UTF-8 that the account of the service can read."
    ) from error
# Django sets TZ to its own, which is not what programs started from here should have.
HOST_TZ = os.environ.get("TZ")
env = Env()


VARIABLES: set[str] = set()  # all that are read here


def setting(name: str, default: str, parse: Callable[[str], T], takes: str) -> T:
    """The value of a variable, or a stop that says what the variable takes."""
    VARIABLES.add(name)
    raw = env.str(name, default).strip()
    try:
        return parse(raw)
    except (ValueError, TypeError) as error:
        shown = without_password(raw)
        shown = repr(shown if len(shown) <= 80 else shown[:80] + "…")
        if parse is a_secret:  # what nobody reads over a shoulder or in a log
            shown = f"a value of {len(raw)} characters"
        wrong = str(error) if isinstance(error, WrongUrl) else f"{shown} is not valid"
        message = f"{name}: {wrong}; it takes {takes}."
        raise SettingError(message) from error


def a_port(raw: str) -> int:
    if not 1 <= int(raw) <= 65535:
        raise ValueError
    return int(raw)


def a_count(raw: str) -> int:
    if int(raw) < 0:
        raise ValueError
    return int(raw)


def a_switch(raw: str) -> bool:
    words = {"1": True, "true": True, "on": True, "yes": True}
    words |= {"": False, "0": False, "false": False, "off": False, "no": False}
    if raw.lower() not in words:
        raise ValueError
    return words[raw.lower()]


def names(raw: str) -> list[str]:
    return [part.strip() for part in raw.split(",") if part.strip()]


def networks(
    raw: str,
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(part) for part in names(raw)]


def origins(raw: str) -> list[str]:
    for origin in names(raw):
        parts = urlsplit(origin)
        is_origin = parts.scheme in {"http", "https"} and parts.netloc
        if origin not in {"*", "null"} and (not is_origin or parts.path):
            raise ValueError
    return names(raw)


def a_rate(raw: str) -> str | None:
    if raw == "0":
        return None
    if not re.fullmatch(r"[1-9][0-9]*/[1-9]?[0-9]*[smhd]", raw):
        raise ValueError
    return raw


def a_log_level(raw: str) -> str:
    if raw.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise ValueError
    return raw.upper()


def a_folder(raw: str) -> Path:
    if not raw or "\0" in raw:
        raise ValueError
    return (BASE_DIR / Path(raw).expanduser()).resolve()


def folders(raw: str) -> list[Path]:
    if not names(raw):
        raise ValueError
    return [a_folder(part) for part in names(raw)]


def a_duration(raw: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([smh]?)", raw)
    if not found:
        raise ValueError
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def a_umask(raw: str) -> int:
    if not re.fullmatch(r"0?[0-7]{3}", raw):
        raise ValueError
    return int(raw, 8)


def a_redis_url(raw: str) -> str:
    if raw and urlsplit(raw).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError
    return raw


def a_secret(raw: str) -> str:
    if 0 < len(raw) < 32:
        raise ValueError
    return raw


# Elsewhere (macOS) one of the sockets that share a port gets every connection.
MOST_WEB_PROCESSES = 64 if sys.platform == "linux" else 1


def from_one_to(most: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not 1 <= int(raw) <= most:
            raise ValueError
        return int(raw)

    return parse


YES_OR_NO = "on or off (1, true, yes; 0, false, no)"
CIDRS = "addresses or CIDRs with commas between, e.g. 10.0.0.0/8,192.168.1.7"
RATE = "COUNT/PERIOD with s, m, h or d, e.g. 30/m, or 0 for no limit"
A_FOLDER = "a folder's path"
LONG_ENOUGH = "at least 32 random characters"

# --- Where it listens and lives ---------------------------------------------------

HOST = setting("HOST", "127.0.0.1", str, "an address to listen on")
PORT = setting("PORT", "3000", a_port, "a port from 1 to 65535")
WEB_PROCESSES = setting(
    "WEB_PROCESSES",
    "1",
    from_one_to(MOST_WEB_PROCESSES),
    f"a number from 1 to {MOST_WEB_PROCESSES}"
    if MOST_WEB_PROCESSES > 1
    else "1 on this system (only Linux shares a port evenly)",
)
DATA_DIR = setting("DATA_DIR", "./data", a_folder, A_FOLDER)
LOG_DIR = setting("LOG_DIR", "./logs", a_folder, A_FOLDER)
LOG_LEVEL = setting("LOG_LEVEL", "INFO", a_log_level, "DEBUG, INFO, WARNING or ERROR")
DEBUG = setting("DEBUG", "off", a_switch, YES_OR_NO)
HTTPS = setting("HTTPS", "off", a_switch, YES_OR_NO)
HSTS_PRELOAD = setting("HSTS_PRELOAD", "off", a_switch, YES_OR_NO)
TASK_TYPES_FILE = setting(
    "TASK_TYPES_FILE",
    "./task_types.toml,./task_types.d",
    folders,
    "paths of TOML files, or of folders of them, with commas between",
)
for folder in (DATA_DIR, LOG_DIR):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        name = "DATA_DIR" if folder == DATA_DIR else "LOG_DIR"
        raise SettingError(
            f"{name}: {str(folder)!r} cannot be made ({error.strerror}); "
            f"it takes {A_FOLDER} that can be written."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        name = "DATA_DIR" if folder == DATA_DIR else "LOG_DIR"
        raise SettingError(
            f"{name}: {str(folder)!r} can't be written by this account "
            f"({private_files.account(os.geteuid())}); it takes {A_FOLDER} that can be."
        )
    private_files.make_private(folder)

SECRET_KEY = setting("SECRET_KEY", "", a_secret, LONG_ENOUGH)
if not SECRET_KEY:
    raise SettingError(
        "SECRET_KEY: it is missing; it takes at least 32 random characters "
        "(`make run` writes one into .env on the first start)."
    )

# --- Who may come in --------------------------------------------------------------

API_KEY = setting("API_KEY", "", a_secret, LONG_ENOUGH)
ALLOWED_HOSTS = setting(
    "ALLOWED_HOSTS",
    "localhost,127.0.0.1,[::1]",
    names,
    "host names with commas between, e.g. sync.example.com",
)
if HOST not in {"0.0.0.0", "::", *ALLOWED_HOSTS}:  # noqa: S104 (compared, not bound)
    ALLOWED_HOSTS.append(HOST)
IP_ALLOWLIST = setting("IP_ALLOWLIST", "", networks, CIDRS)
METRICS_ALLOWLIST = setting("METRICS_ALLOWLIST", "127.0.0.0/8,::1", networks, CIDRS)
TRUSTED_PROXIES = setting("TRUSTED_PROXIES", "", networks, CIDRS)
CORS_ALLOWED_ORIGINS = setting(
    "CORS_ALLOWED_ORIGINS",
    "",
    origins,
    "origins with commas between, e.g. https://tools.example.com, or *",
)
RATE_LIMIT_CREATE = setting("RATE_LIMIT_CREATE", "30/m", a_rate, RATE)
RATE_LIMIT_READ = setting("RATE_LIMIT_READ", "600/m", a_rate, RATE)
TASK_RETENTION = setting(
    "TASK_RETENTION", "100", a_count, "how many finished tasks are kept, 0 for all"
)
RUNNERS = setting("RUNNERS", "1", from_one_to(64), "a number from 1 to 64")
RUNNER_CONCURRENCY = setting(
    "RUNNER_CONCURRENCY", "4", from_one_to(1000), "a number from 1 to 1000"
)
RUNNER_DRAIN = setting(
    "RUNNER_DRAIN", "0", a_duration, "seconds, or a duration in s, m or h, e.g. 30m"
)
# Of the jobs' programs: web servers of other accounts read what they publish.
STEP_UMASK = setting("STEP_UMASK", "022", a_umask, "an octal number such as 022 or 077")
# The web server refuses what is longer while it comes (streaming.http.channel).
BODY_LIMIT_BYTES = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # of the forms that people send, to:
FORM_URLS_REGEX = r"^/((admin|accounts|i18n|tasks)/.*|sign-.*)?$"

# --- Django -----------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",
    "tasks.apps.AdminConfig",  # Django's admin, for those in the groups
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "csp",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tasks",
    "streaming",
]

MIDDLEWARE = [
    "resource_sync.https.refuse_plain_acts",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "resource_sync.urls"
ASGI_APPLICATION = "resource_sync.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "tasks.access.rights.for_templates",
            ],
            "libraries": {"modules": "resource_sync.modules"},
        },
    },
]

# Names and passwords as Django has them; permissions by the groups' rights.
AUTHENTICATION_BACKENDS = ["tasks.access.backends.RightsBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- Database ---------------------------------------------------------------------


DATABASES = {
    "default": setting(
        "DATABASE_URL",
        "",
        lambda raw: database(raw, DATA_DIR),
        "postgres://USER:PASSWORD@HOST:PORT/NAME, with options as psql takes them "
        "(?sslmode=verify-full), or sqlite:///PATH",
    )
}
if DATABASES["default"]["ENGINE"] == "tasks.databases.sqlite3":
    private_files.make_database_private(Path(DATABASES["default"]["NAME"]))

# --- Cache (rate limits, the state of several web processes) ------------------------

REDIS_URL = setting("REDIS_URL", "", a_redis_url, "redis://HOST:PORT/NUMBER")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # Two installations on one Redis don't count for each other.
        "KEY_PREFIX": hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:12],
    }
    if REDIS_URL
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # At the default of 300 the counters of rate limits would be thrown away.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
# LocMem is right for one web process; tasks.checks warns of several without Redis.
SILENCED_SYSTEM_CHECKS = ["django_ratelimit.E003", "django_ratelimit.W001"]
# HSTS_PRELOAD is the operator's choice.
SILENCED_SYSTEM_CHECKS += ["security.W005", "security.W021"]

# --- Languages and time -------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "resource_sync.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- Static files -------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "resource_sync.static_files.Storage"},
}

# --- What browsers are told ----------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "resource_sync_session"
CSRF_COOKIE_NAME = "resource_sync_csrf"
CSRF_FAILURE_VIEW = "tasks.web.failures.csrf_failure"
# Behind TLS (HTTPS=on) resource_sync.client_address has already set the scheme from a
# trusted proxy's X-Forwarded-Proto.
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^health(/live|/ready)?$", r"^metrics$"]
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# What speaks for other hosts too, and for good, comes only when it is asked for.
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS and HSTS_PRELOAD
SECURE_HSTS_PRELOAD = HTTPS and HSTS_PRELOAD

CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ALLOWED_ORIGINS
CORS_ALLOWED_ORIGINS = [origin for origin in CORS_ALLOWED_ORIGINS if origin != "*"]
CORS_URLS_REGEX = r"^/(api|health)(/.*)?$"
CORS_ALLOW_HEADERS = [
    "accept",
    "authorization",
    "content-type",
    "x-api-key",
    "prefer",
    "idempotency-key",
    "last-event-id",
    "cache-control",
]
CORS_EXPOSE_HEADERS = ["Location", "Retry-After", "Preference-Applied"]

# --- API ----------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "tasks.access.authentication.ApiKeyAuthentication",
        "tasks.access.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["tasks.access.rate_limits.RateLimit"],
    "DEFAULT_PARSER_CLASSES": ["tasks.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tasks.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Resource Sync",
    "DESCRIPTION": "Start a resource job, watch every line of it live, keep it.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# --- Logs ---------------------------------------------------------------------------


def log_file(name: str, level: str) -> dict[str, Any]:
    """A rotated file of JSON lines that several processes may write."""
    return {
        "class": "concurrent_log_handler.ConcurrentRotatingFileHandler",
        "filename": str(LOG_DIR / name),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": 5,
        "encoding": "utf-8",
        "formatter": "json",
        "level": level,
    }


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "resource_sync.log_formats.SafeJsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
            "rename_fields": {
                "asctime": "time",
                "levelname": "level",
                "name": "logger",
                "process": "pid",
            },
            "json_ensure_ascii": False,
        },
        "plain": {
            "()": "resource_sync.log_formats.SafeFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
    },
    "handlers": {
        "combined": log_file("combined.log", LOG_LEVEL),
        "error": log_file("error.log", "ERROR"),
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "level": "WARNING",
        },
    },
    "root": {"handlers": ["combined", "error", "console"], "level": LOG_LEVEL},
    "loggers": {
        # One line a listener at INFO would be one line a viewer.
        "django_eventstream": {"level": "WARNING"},
        # Nor one a connection that is closed, or could not be opened: whoever wanted it
        # says so.
        "psycopg.pool": {"level": "ERROR"},
        # At INFO it tells of HTTP/2, which nginx speaks, and of inner endpoints.
        "daphne": {"level": "WARNING"},
        "django.server": {"handlers": [], "propagate": True},
        # Not Django's own: they print and mail whole requests.
        "django": {"handlers": [], "propagate": True},
    },
}
