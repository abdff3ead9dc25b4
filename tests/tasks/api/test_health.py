"""GET /health."""


import pytest

from tests.factories import RunnerFactory

pytestmark = pytest.mark.django_db


def test_it_is_healthy_while_a_runner_is_alive(stranger):
    RunnerFactory()
    response = stranger.get("/health")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "version": "1.0.0",
        "database": "ok",
        "runners": 1,
        "queue": {"pending": 0, "running": 0, "oldestPendingSeconds": 0},
    }
