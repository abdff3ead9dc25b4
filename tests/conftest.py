"""What every test can rely on: settings of its own, whatever .env or the shell say.

This file is read before Django's settings are; that is why DJANGO_SETTINGS_MODULE
is named here and not in pyproject.toml, where pytest-django would read it too early.
"""

import atexit
import gc
import os
import secrets
import shutil
import tempfile
from importlib import import_module
from pathlib import Path

_folder = tempfile.mkdtemp(prefix="resource-sync-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
# WhiteNoise warns where the collected static files are not.
Path(_folder, "data", "static").mkdir(parents=True)
os.environ.update(
    DJANGO_SETTINGS_MODULE="resource_sync.settings",
    SECRET_KEY=secrets.token_hex(32),
    DATA_DIR=f"{_folder}/data",
    LOG_DIR=f"{_folder}/logs",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),
    WEB_PROCESSES="1",
    REDIS_URL="",
    API_KEY="",
    RATE_LIMIT_CREATE="0",
    RATE_LIMIT_READ="0",
    IP_ALLOWLIST="",
    TRUSTED_PROXIES="",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    CORS_ALLOWED_ORIGINS="",
    TASK_TYPES_FILE="./task_types.toml",
    DEBUG="off",
    HTTPS="off",
)

import django  # noqa: E402 (what reads settings comes after them)

django.setup()

from tests import inherited, leftovers  # noqa: E402

inherited.hear_again()

leftovers.watch()

import pytest  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import translation  # noqa: E402

from tests.factories import ApiKeyFactory, UserFactory  # noqa: E402

# What takes several processes or hosts is tested with the database meant for them.
WITH_POSTGRESQL_ALONE = {"test_hosts.py", "test_rolling.py", "test_web_processes.py"}
REASON_LINES = 8  # of a failure, when it happens


def pytest_collection_modifyitems(config, items):
    """Leave to the other run what would say the same in both, and begin with what takes
    longest, so that no worker is left with it at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    if os.environ.get("TESTED_BEFORE"):
        left = {item for item in items if not item.get_closest_marker("postgres")}
    elif os.environ.get("TESTED_LATER"):
        left = {item for item in items if item.path.name in WITH_POSTGRESQL_ALONE}
    else:
        return
    config.hook.pytest_deselected(items=list(left))
    items[:] = [item for item in items if item not in left]


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Name each failure when it happens, too: a long run may never come to its end."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or os.environ.get("PYTEST_XDIST_WORKER"):
        return

    class AtOnce:
        def pytest_runtest_logreport(self, report):
            if report.failed:
                lines = report.longreprtext.strip().splitlines()
                why = [line for line in lines if line.startswith("E  ")][:REASON_LINES]
                terminal.ensure_newline()
                for line in (f"FAILED {report.nodeid} {' '.join(lines[-1:])}", *why):
                    terminal.write_line(line)

    config.pluginmanager.register(AtOnce())


def pytest_collection_finish():
    """What is there now is no garbage; looking through it takes a tenth of the time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _tables_can_be_emptied():
    """Between tests that commit, the audit trail is emptied like every table, though
    the database refuses that to the product."""
    migration = import_module("tasks.migrations.0007_audit_trail_is_final")
    operations = type(connection.ops)
    empty = operations.execute_sql_flush

    def execute_sql_flush(self, statements):
        vendor = self.connection.vendor
        with transaction.atomic(), self.connection.cursor() as cursor:
            for statement in migration.LIFT[vendor]:
                cursor.execute(statement)
            empty(self, statements)
            for statement in migration.GUARD[vendor]:
                cursor.execute(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "execute_sql_flush", execute_sql_flush)
        yield


@pytest.fixture(autouse=True)
def _clean_house(settings):
    """Plain static files, so that nobody has to collect them; nothing counted yet; and
    no language, which an earlier request of this thread leaves behind."""
    plain = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": plain}}
    cache.clear()
    translation.deactivate()


@pytest.fixture
def use_task_types(tmp_path, settings):
    """Puts a test's own task types (TOML) in place of the product's."""
    from tasks.catalog.loader import catalog

    def use(text: str) -> None:
        settings.TASK_TYPES_FILE = tmp_path / "task_types.toml"
        settings.TASK_TYPES_FILE.write_text(text, encoding="utf-8")
        catalog.cache_clear()

    yield use
    catalog.cache_clear()


@pytest.fixture
def api_key(db):
    """A program's key; its text is ``api_key.secret``."""
    return ApiKeyFactory()


@pytest.fixture
def program(api_key):
    """A client that sends a key, as a program does."""
    return Client(headers={"X-API-Key": api_key.secret})


@pytest.fixture
def stranger(db):
    """A client without a key or a session."""
    return Client()


@pytest.fixture
def alice(db):
    """She is staff, and may do everything."""
    return UserFactory(username="alice", is_staff=True, group="admin")


@pytest.fixture
def person(db):
    """Makes people of one of the groups, signed in."""

    def person(group, name=""):
        client = Client()
        name = name or f"{group or 'nobody'}-1"
        client.force_login(UserFactory(username=name, is_staff=True, group=group))
        return client

    return person


@pytest.fixture
def bob(db):
    """He has an account, but is no staff."""
    return UserFactory(username="bob")


@pytest.fixture
def browser(alice):
    """Alice's browser, which checks CSRF as real ones have to."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client
