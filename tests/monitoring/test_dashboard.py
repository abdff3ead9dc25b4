"""The dashboard for Grafana: what it asks for is there, and can be asked."""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from tests.monitoring.documented import ROOT, documented, series

DASHBOARD = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
# What Grafana puts in their places.
VARIABLES = {"$job": "resource-sync", "$__rate_interval": "1m"}
# Told in words elsewhere, or no number that is looked at over time.
NOT_SHOWN = {
    "resource_sync_build_info",
    "resource_sync_process_virtual_memory_bytes",
}


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries():
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    found += [one["expr"] for one in DASHBOARD["annotations"]["list"]]
    assert len(found) > 40
    return found


def names_in(texts):
    return {name for text in texts for name in re.findall(r"resource_sync_\w+", text)}


def test_every_query_asks_for_metrics_that_there_are():
    assert names_in(queries()) - series() == set()


def test_every_metric_is_shown():
    asked = names_in(queries())
    whole = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    assert set(documented()) - whole - asked == NOT_SHOWN


@pytest.mark.skipif(not shutil.which("promtool"), reason="there is no promtool")
def test_prometheus_can_read_every_query(tmp_path):
    rules = []
    for number, query in enumerate(queries()):
        for name, value in VARIABLES.items():
            query = query.replace(name, value)
        assert "$" not in query
        rules.append({"record": f"query:{number}", "expr": query})
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert f"{len(rules)} rules found" in done.stdout


def test_every_panel_has_a_place_of_its_own_a_unit_and_a_source():
    taken = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        places = [target["refId"] for target in panel["targets"]]
        assert len(set(places)) == len(places) > 0


def test_it_asks_which_prometheus_and_which_job():
    variables = {one["name"]: one["type"] for one in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "job": "query"}
