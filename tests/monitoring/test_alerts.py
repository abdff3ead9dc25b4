"""The alert rules: valid, played one by one, and each with its paragraph."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.monitoring.documented import ROOT, series

FOLDER = ROOT / "deploy/monitoring"
HOW_TO = ROOT / "docs/how-to/monitor.md"
NEEDS_PROMTOOL = pytest.mark.skipif(
    not shutil.which("promtool"), reason="there is no promtool"
)


def promtool(*arguments):
    return subprocess.run(
        ["promtool", *arguments],
        cwd=FOLDER,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def rules():
    found = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    return {rule["alert"]: rule for rule in found}


@NEEDS_PROMTOOL
def test_prometheus_takes_the_configuration_and_the_rules():
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout
    assert f"{len(rules())} rules found" in done.stdout


@NEEDS_PROMTOOL
def test_each_rule_fires_when_it_should_and_not_before():
    done = promtool("test", "rules", "alerts_test.yml")
    assert done.returncode == 0, done.stdout


@NEEDS_PROMTOOL
def test_a_rule_that_is_wrong_is_noticed(tmp_path):
    text = (FOLDER / "alerts.yml").read_text()
    assert text.count("resource_sync_runners_alive) == 0") == 1
    broken = text.replace("resource_sync_runners_alive) == 0", "nothing) == 0")
    (tmp_path / "alerts.yml").write_text(broken)
    shutil.copy(FOLDER / "alerts_test.yml", tmp_path)
    done = promtool("test", "rules", str(tmp_path / "alerts_test.yml"))
    assert done.returncode != 0
    assert "ResourceSyncNoRunner" in done.stdout


def test_each_rule_is_played_both_ways():
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    played = [one for test in tests for one in test["alert_rule_test"]]
    fired = {one["alertname"] for one in played if one["exp_alerts"]}
    quiet = {one["alertname"] for one in played if not one["exp_alerts"]}
    assert fired == quiet == set(rules())


def test_each_rule_asks_for_metrics_that_there_are():
    asked = {
        name
        for rule in rules().values()
        for name in re.findall(r"resource_sync_\w+", rule["expr"])
    }
    assert len(asked) > 15
    assert asked - series() == set()


def test_each_rule_says_what_is_wrong_and_where_to_read_what_to_do():
    headings = re.findall(r"^### (\w+)$", HOW_TO.read_text(), re.MULTILINE)
    assert headings == list(rules())
    for name, rule in rules().items():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")
        page = HOW_TO.relative_to(ROOT)
        assert rule["annotations"]["runbook"] == f"{page}#{name.lower()}"
