"""An update under load, one process after another: no request fails, no line is lost
or doubled, and no task ends but by itself."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from tests.ports import free_port
from tests.waiting import wait_until

from .product import Started, copy_of_the_product, environment_of_a_user
from .releases import unpacked
from .rolling import Load, Product, resets, tcp_migrate_req, whole_logs

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not psutil.LINUX, reason="only Linux shares a port evenly"),
    pytest.mark.postgres,
    pytest.mark.timeout(1_800),
]


@pytest.fixture
def product(tmp_path, new_database_url, request):
    folder = tmp_path / "product"
    if release := getattr(request, "param", None):
        unpacked(release, folder)
        is_postgresql = bool(os.environ.get("TEST_DATABASE_URL"))
        url = new_database_url.empty() if is_postgresql else ""
    else:
        copy_of_the_product(folder)
        url = new_database_url()
    product = Product(folder, url)
    yield product
    if product.process.poll() is None:
        product.stop()


def test_an_update_under_load_costs_no_line_no_request_and_no_task(product):
    product.wait_until_whole()
    before = product.parts()
    load = Load(product)
    load.wait_until_it_flows()
    product.update()
    rolled = product.roll()
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    assert len(product.parts()) == 4
    assert not product.parts() & before
    ids = load.end()
    assert load.statuses(ids) == {"completed"}
    assert whole_logs(load.watchers)
    cut = [one for one in load.watchers if len(one.ports) > 1]
    assert cut, "no stream was open while its web process was replaced"
    lost = resets(load.failures) if tcp_migrate_req() == "0" else []
    assert [one for one in load.failures if one not in lost] == []
    assert len(lost) <= 2


@pytest.mark.parametrize("product", ["2.0.0"], indirect=True)
def test_the_release_before_serves_beside_this_one_until_its_turn(product):
    product.wait_until_whole()
    product.wait_until_all_have_served()
    load = Load(product)
    load.wait_until_it_flows()
    product.update()
    rolled = product.roll()
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    ids = load.end()
    assert load.statuses(ids) == {"completed"}
    assert whole_logs(load.watchers)
    # Release 2.0.0 itself cuts off what it is asked while it stops.
    told = json.dumps(load.failures)
    assert all("Connection" in one for one in load.failures), told


def test_one_web_process_alone_is_not_replaced_while_others_would_serve(
    tmp_path, new_database_url
):
    folder = copy_of_the_product(tmp_path / "product")
    environ = {**environment_of_a_user(), "DATABASE_URL": new_database_url()}
    alone = Started(folder, free_port(), environ)
    try:
        wait_until(alone.is_healthy, "the service to be healthy")
        command = [sys.executable, "-m", "resource_sync.start", "roll"]
        done = subprocess.run(
            command, cwd=folder, env=environ, capture_output=True, text=True
        )
    finally:
        alone.stop()
    assert done.returncode == 1
    assert "WEB_PROCESSES=2" in done.stderr
    again = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True
    )
    assert again.returncode == 1
    assert again.stderr.startswith("Resource Sync is not running")
