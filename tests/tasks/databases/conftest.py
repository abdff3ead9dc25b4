import pytest


@pytest.fixture
def own_databases(django_db_blocker):
    """None of them is the one that tests share."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db.sqlite3"
