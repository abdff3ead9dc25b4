"""Whose request body is read, asked by the web server before it reads it."""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connection

from resource_sync.http.client_address import believed, is_allowed
from tasks.access.authentication import has_known_credentials

logger = logging.getLogger(__name__)


class BodyPolicy:
    """As streaming.http.limits.Policy says."""

    def __init__(self) -> None:
        # One thread: however many ask, they cost one connection to the database.
        self._thread = ThreadPoolExecutor(1, "credentials")

    def believed(self, scope: Any) -> Any:
        return believed(scope, settings.TRUSTED_PROXIES)

    def may_enter(self, scope: Any) -> bool:
        return is_allowed(scope)

    def is_known(self, scope: Any) -> "Future[bool]":
        return self._thread.submit(self._look_up, scope)

    def _look_up(self, scope: Any) -> bool:
        try:
            return has_known_credentials(ASGIRequest(scope, BytesIO()))
        except Exception:
            # The application meets the same fault, and says so.
            logger.exception("Nobody can be looked up.")
            return False
        finally:
            if connection.vendor != "sqlite":
                close_old_connections()  # gives the connection back to the pool
