"""Django's PostgreSQL, with a pool for a server that may stop and start again."""

import select
from typing import Any

import psycopg
import psycopg_pool
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base

# As resource_sync.database.SILENCE, from the server's side: else what a client that
# vanished in the middle of a transaction has locked stays locked for two hours.
WATCH_THE_CLIENT = (
    "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; "
    "SET tcp_keepalives_count = 5; SET tcp_user_timeout = 15000"
)


class ConnectionPool(psycopg_pool.ConnectionPool[Any]):
    """A pool that gives no connection on which the server has hung up, and lets nobody
    wait where none can be opened.

    psycopg_pool's own check asks the server (0.1 ms), and after each dead connection it
    sleeps for a second and longer: with three of them it gives up.
    """

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """Return a connection that can be used. Raises OperationalError where none can
        be opened, and PoolTimeout where all are in use for too long."""
        while True:
            connection: psycopg.Connection[Any] = super().getconn(timeout)
            if not _has_unread(connection):
                return connection
            connection.pgconn.finish()
            self.putconn(connection)  # which opens another

    def reconnect_failed(self) -> None:
        """Tell those who wait for a connection that there is none.

        psycopg_pool lets each of them wait out its own time, and has no public way to
        end that but to close the pool for good. What has an underscore here may change
        with any version of it; then the test of a server that is not there fails.
        """
        with self._lock:
            if self._nconns:
                return
            waiting = list(self._waiting)
            self._waiting.clear()
        for client in waiting:
            client.fail(psycopg.OperationalError("no connection could be opened"))


def watch_the_client(connection: psycopg.Connection[Any]) -> None:
    """Have the server end this session soon after its client is gone, unless the URL's
    ``options`` speak of that. By statements, because PgBouncer refuses ``options``."""
    if "tcp_" not in connection.info.options:
        connection.execute(WATCH_THE_CLIENT)


def _has_unread(connection: psycopg.Connection[Any]) -> bool:
    """Return whether an idle connection has something to read, which nobody asked for:
    the server's last word, or the end. A mere notice costs one connection."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return bool(poll.poll(0))


class DatabaseWrapper(base.DatabaseWrapper):
    _connection_pools: dict[str, ConnectionPool]  # of all wrappers, by alias

    @property
    def pool(self) -> ConnectionPool | None:
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        pools = self._connection_pools
        if self.alias not in pools:
            parameters = {**self.get_connection_params(), "autocommit": True}
            pool = ConnectionPool(
                kwargs=parameters,
                open=False,
                configure=self._prepare,
                **options,
            )
            pools.setdefault(self.alias, pool)  # of two threads, one is first
        return pools[self.alias]

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        watch_the_client(connection)
        self._configure_connection(connection)  # type: ignore[attr-defined]
