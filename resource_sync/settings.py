"""Every setting of the product, read from the environment and ``.env``.

The table of variables is in README.md and ``.env.example``.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

from csp.constants import NONCE

from resource_sync import private_files
from resource_sync.database import database
from resource_sync.environment import (
    BASE_DIR as BASE_DIR,
)
from resource_sync.environment import (
    BOOLEANS,
    CIDRS,
    FOLDER,
    LABEL,
    LONG_ENOUGH,
    MOST_WEB_PROCESSES,
    RATE,
    SettingError,
    allowed_targets,
    boolean,
    cidr_list,
    duration,
    folder,
    label_list,
    log_level,
    make_own_folder,
    name_list,
    names_read,
    one_of,
    one_to,
    origin_list,
    path_list,
    port,
    rate,
    redis_url,
    secret,
    setting,
    umask,
)
from resource_sync.environment import (
    HOST_TZ as HOST_TZ,
)
from resource_sync.logging_setup import logging_of
from resource_sync.single_sign_on import provider
from tasks.catalog.quantities import (
    TAKES_AGE,
    TAKES_COUNT,
    TAKES_SIZE,
    age_limit,
    count_limit,
    size_limit,
)

VERSION = "2.0.0"

# --- Where it listens and lives ---------------------------------------------------

HOST = setting("HOST", "127.0.0.1", str, "an address to listen on")
PORT = setting("PORT", "3000", port, "a port from 1 to 65535")
WEB_PROCESSES = setting(
    "WEB_PROCESSES",
    "1",
    one_to(MOST_WEB_PROCESSES),
    f"a number from 1 to {MOST_WEB_PROCESSES}"
    if MOST_WEB_PROCESSES > 1
    else "1 on this system (only Linux shares a port evenly)",
)
DATA_DIR = setting("DATA_DIR", "./data", folder, FOLDER)
LOG_TO = setting("LOG_TO", "files", one_of("files", "stdout"), "files or stdout")
LOG_DIR = setting("LOG_DIR", "./logs", folder, FOLDER)
LOG_LEVEL = setting("LOG_LEVEL", "INFO", log_level, "DEBUG, INFO, WARNING or ERROR")
DEBUG = setting("DEBUG", "off", boolean, BOOLEANS)
HTTPS = setting("HTTPS", "off", boolean, BOOLEANS)
HSTS_PRELOAD = setting("HSTS_PRELOAD", "off", boolean, BOOLEANS)
TASK_TYPES_FILE = setting(
    "TASK_TYPES_FILE",
    "./task_types.toml,./task_types.d",
    path_list,
    "paths of TOML files, or of folders of them, with commas between",
)
make_own_folder("DATA_DIR", DATA_DIR)
if LOG_TO == "files":
    make_own_folder("LOG_DIR", LOG_DIR)

SECRET_KEY = setting("SECRET_KEY", "", secret, LONG_ENOUGH)
if not SECRET_KEY:
    raise SettingError(
        "SECRET_KEY: it is missing; expected at least 32 random characters "
        "(`make run` writes one into .env on the first start)."
    )

# --- Who may come in --------------------------------------------------------------

API_KEY = setting("API_KEY", "", secret, LONG_ENOUGH)
ALLOWED_HOSTS = setting(
    "ALLOWED_HOSTS",
    "localhost,127.0.0.1,[::1]",
    name_list,
    "host names with commas between, e.g. sync.example.com",
)
if HOST not in {"0.0.0.0", "::", *ALLOWED_HOSTS}:  # noqa: S104 (compared, not bound)
    ALLOWED_HOSTS.append(HOST)
OIDC = provider()
REQUIRE_SECOND_FACTOR = setting(
    "REQUIRE_SECOND_FACTOR",
    "off",
    one_of("off", "admin", "all"),
    "off, admin (who may do everything) or all (who sign in with a password)",
)
IP_ALLOWLIST = setting("IP_ALLOWLIST", "", cidr_list, CIDRS)
METRICS_ALLOWLIST = setting("METRICS_ALLOWLIST", "127.0.0.0/8,::1", cidr_list, CIDRS)
TRUSTED_PROXIES = setting("TRUSTED_PROXIES", "", cidr_list, CIDRS)
CORS_ALLOWED_ORIGINS = setting(
    "CORS_ALLOWED_ORIGINS",
    "",
    origin_list,
    "origins with commas between, e.g. https://tools.example.com, or *",
)
# What a log's pages say to caches: shared ones keep what is public.
LOG_CACHE = setting(
    "LOG_CACHE", "private", one_of("private", "public"), "private or public"
)
RATE_LIMIT_CREATE = setting("RATE_LIMIT_CREATE", "30/m", rate, RATE)
RATE_LIMIT_READ = setting("RATE_LIMIT_READ", "600/m", rate, RATE)
TASK_RETENTION = setting("TASK_RETENTION", "100", count_limit, TAKES_COUNT)
TASK_RETENTION_AGE = setting("TASK_RETENTION_AGE", "0", age_limit, TAKES_AGE)
TASK_RETENTION_SIZE = setting("TASK_RETENTION_SIZE", "0", size_limit, TAKES_SIZE)
PACK_AFTER = setting(
    "PACK_AFTER",
    "1h",
    duration,
    "seconds, or a duration in s, m or h, e.g. 12h; 0 for never",
)
WEBHOOK_ALLOW = setting(
    "WEBHOOK_ALLOW",
    "",
    allowed_targets,
    "networks, addresses or host names with commas between, e.g. 10.0.0.0/8",
)
RUNNERS = setting("RUNNERS", "1", one_to(64), "a number from 1 to 64")
RUNNER_CONCURRENCY = setting(
    "RUNNER_CONCURRENCY", "4", one_to(1000), "a number from 1 to 1000"
)
RUNNER_DRAIN = setting(
    "RUNNER_DRAIN", "0", duration, "seconds, or a duration in s, m or h, e.g. 30m"
)
LABEL_PATTERN = LABEL
RUNNER_LABELS = setting(
    "RUNNER_LABELS",
    "",
    label_list,
    "labels of letters, digits and . _ = / - with commas between, e.g. mac,gpu",
)
# Of the jobs' programs: web servers of other accounts read what they publish.
STEP_UMASK = setting("STEP_UMASK", "022", umask, "an octal number such as 022 or 077")
# The web server refuses what is longer while it comes (streaming.http.channel).
BODY_LIMIT_BYTES = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # of the forms that people send, to:
FORM_URLS_REGEX = r"^/((admin|account|accounts|i18n|tasks)/.*|sign-.*)?$"

# --- Django -----------------------------------------------------------------------

INSTALLED_APPS = [
    # Only runserver asks for it; elsewhere importing it (with Twisted) costs 0.3 s.
    *(["daphne"] if "runserver" in sys.argv else []),
    "tasks.apps.AdminConfig",  # Django's admin, for those in the groups
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "resource_sync.static_files.StaticFilesConfig",
    "channels",
    "corsheaders",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "tasks",
    "streaming",
]

MIDDLEWARE = [
    "resource_sync.http.https.refuse_plain_acts",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "resource_sync.http.compression.CompressedPages",
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
            "libraries": {
                "in_page": "resource_sync.in_page",
                "names": "tasks.presenters.names",
            },
        },
    },
]

# Names and passwords as Django has them; permissions by the groups' rights.
AUTHENTICATION_BACKENDS = [
    "tasks.access.backends.RightsBackend",
    "tasks.access.backends.ProviderBackend",  # of sessions by OpenID Connect
]
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

REDIS_URL = setting("REDIS_URL", "", redis_url, "redis://HOST:PORT/NUMBER")
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "tasks.access.redis_cache.Cache",
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
# An image has them inside, where nobody can write.
STATIC_ROOT = setting(
    "STATIC_DIR", "", lambda raw: folder(raw) if raw else DATA_DIR / "static", FOLDER
)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "resource_sync.static_files.BundledStorage"},
}

# --- What browsers are told ----------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'", NONCE],  # there only where in_page puts something
        "style-src": ["'self'", NONCE],
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
# Behind TLS (HTTPS=on) resource_sync.http.client_address has already set the scheme
# from a trusted proxy's X-Forwarded-Proto.
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
    "if-none-match",
    "cache-control",
]
CORS_EXPOSE_HEADERS = ["Location", "Retry-After", "Preference-Applied", "ETag"]
CORS_EXPOSE_HEADERS += ["Stream-Next-Offset", "Stream-Cursor"]  # of a log's pages
CORS_EXPOSE_HEADERS += ["Stream-Up-To-Date", "Stream-Closed"]
CORS_EXPOSE_HEADERS += ["X-Request-ID"]

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
    "ENUM_NAME_OVERRIDES": {
        "ScheduleState": "tasks.models.Schedule.State",
        "WebhookState": "tasks.models.Webhook.State",
        "DeliveryState": "tasks.models.WebhookDelivery.State",
    },
}

# --- Logs ---------------------------------------------------------------------------

LOGGING = logging_of(LOG_DIR if LOG_TO == "files" else None, LOG_LEVEL)

VARIABLES = frozenset(names_read)  # all that are read here
