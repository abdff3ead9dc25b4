"""What tests of the API need beyond the house's."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

from tests.tasks.api.openapi import what_is_wrong


@pytest.fixture
def broken_database(db):
    """Every query fails, as while the database server restarts."""

    def fail(execute, sql, params, many, context):
        raise OperationalError(f"connection refused while executing {sql}")

    with connection.execute_wrapper(fail):
        yield


@pytest.fixture(autouse=True)
def _answers_are_as_the_schema_says(monkeypatch):
    """Whatever a test of the API asks, the answer is held against the schema."""
    request = Client.request

    def checked(client, **environ):
        response = request(client, **environ)
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        content_type = response.get("Content-Type", "")
        # What is streamed is no JSON.
        body = b"" if response.streaming else response.content
        wrong = what_is_wrong(method, path, response.status_code, content_type, body)
        assert wrong is None, f"{method} {path}: {wrong}"
        return response

    monkeypatch.setattr(Client, "request", checked)
