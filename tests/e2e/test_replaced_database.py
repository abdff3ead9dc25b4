"""The database's file goes away under a running product."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def service(new_service):
    service = new_service(DATABASE_URL="")
    service.prepare()
    return service.run()


def why_unhealthy(service):
    """The reason that /health gives with a 503."""
    answer = service.request("GET", "/health")
    return answer.json().get("reason") if answer.status_code == 503 else None


def refuses(service):
    answer = service.request("POST", "/api/tasks/three-steps", json={})
    assert answer.status_code in {202, 503}, answer.text
    return answer.status_code == 503 and "make restart" in answer.json()["detail"]


def backup(service):
    """A copy of the database as it is now."""
    place = service.data_dir / "backup"
    with (
        closing(sqlite3.connect(service.data_dir / "db.sqlite3")) as database,
        closing(sqlite3.connect(place)) as other,
    ):
        database.backup(other)
    return place


@pytest.mark.parametrize("ending", ["", "-wal"])
def test_nothing_is_accepted_into_a_file_that_was_deleted(service, ending):
    (service.data_dir / f"db.sqlite3{ending}").unlink()
    assert refuses(service)
    assert "was deleted or replaced" in why_unhealthy(service)


def test_a_restored_backup_is_served_after_a_restart(service):
    place, path = backup(service), service.data_dir / "db.sqlite3"
    lost = service.create("check-integrity", version="v884")
    service.wait_for(lost)
    for ending in ("-wal", "-shm"):
        (service.data_dir / f"db.sqlite3{ending}").unlink()
    place.rename(path)
    assert refuses(service)
    wait_until(lambda: why_unhealthy(service), "an unhealthy service")
    service.stop()
    service.run()
    assert service.request("GET", f"/api/tasks/{lost}").status_code == 404
    again = service.create("check-integrity", version="v884")
    assert service.wait_for(again)["logCount"] > 1


def test_a_file_that_is_put_back_in_time_loses_nothing(service):
    path, away = service.data_dir / "db.sqlite3", service.data_dir / "away"
    shutil.move(path, away)
    assert refuses(service)
    shutil.move(away, path)
    wait_until(service.is_healthy, "a healthy service")
    task = service.create("check-integrity", version="v884")
    assert service.wait_for(task)["logCount"] > 1
