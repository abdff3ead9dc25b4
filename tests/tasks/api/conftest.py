"""What tests of the API need beyond the house's."""

import pytest
from django.db import OperationalError, connection


@pytest.fixture
def broken_database(db):
    """Every query fails, as while the database server restarts."""

    def fail(execute, sql, params, many, context):
        raise OperationalError(f"connection refused while executing {sql}")

    with connection.execute_wrapper(fail):
        yield
