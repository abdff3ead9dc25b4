"""The reading cases of Durable Streams' conformance suite pass."""

import json
import subprocess
import sys

import pytest
import requests

from tests.e2e.conftest import ROOT
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.e2e

# What is read. Written, forked, subscribed to and expired is nothing here.
READING = [
    "Read Operations",
    "Long-Poll",
    "Browser Security",
    "HEAD Metadata should",
    "Offset Validation",
    "Caching and ETag",
    "Chunking",
    "Read-Your-Writes",
    "SSE Mode",
    "(?<!Fork - )JSON Mode",
    "Byte-Exactness",
    "Immutability",
    "HEAD with Stream Closure",
    "Read Closed Streams",
    "Long-poll with Stream Closure",
    "SSE with Stream Closure",
]
LEAST_CASES = 100  # fewer are another suite, of which these names say nothing


@pytest.fixture
def writer(new_service):
    product = new_service(RATE_LIMIT_READ="0", CORS_ALLOWED_ORIGINS="*").run()
    url = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.e2e.protocol.writer"),
            *(str(port), product.url, product.api_key),
        ],
        cwd=ROOT,
        env=product.env,
    )
    wait_until(lambda: answers(url), "the writer")
    yield url
    process.kill()
    process.wait()


def answers(url):
    try:
        return requests.get(f"{url}/v1/none", timeout=5).status_code == 404
    except requests.ConnectionError:
        return False


def test_a_log_is_read_as_the_protocol_has_it(writer, tmp_path):
    report = tmp_path / "report.json"
    ran = subprocess.run(
        [
            *("node_modules/.bin/vitest", "run", "--root", "e2e/protocol"),
            *("--testTimeout", str(PATIENCE_SECONDS * 1000)),
            # Some of its cases read for two seconds, whatever the machine does beside.
            *("--retry", "5"),
            *("--reporter=json", f"--outputFile={report}"),
            *("--testNamePattern", "|".join(READING)),
        ],
        cwd=ROOT / "tests",
        env={"PATH": "/usr/bin:/bin", "CONFORMANCE_TEST_URL": writer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), ran.stdout + ran.stderr
    found = json.loads(report.read_text())
    failed = [
        f"{case['fullName']}: {case['failureMessages'][0][:300]}"
        for file in found["testResults"]
        for case in file["assertionResults"]
        if case["status"] == "failed"
    ]
    assert not failed, "\n".join(failed)
    assert found["numPassedTests"] >= LEAST_CASES
