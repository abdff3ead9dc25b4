"""How long it takes from an approval to the next step's first line, as JSON.

    python approvals.py URL COUNT

with a key in API_KEY, against a service that runs with the type of TYPE in one of its
files, and one runner with nothing else to do.
"""

import json
import os
import statistics
import sys
import time
from typing import Any

import requests

TYPE = """
[asks]
[[asks.steps]]
approval = {by = ["leads"]}
[[asks.steps]]
command = ["echo", "next"]
"""
PAUSE_SECONDS = 0.002


def main(url: str, count: int) -> None:
    with requests.Session() as session:
        session.headers["X-API-Key"] = os.environ["API_KEY"]
        ms = sorted(1000 * _once(session, url) for _ in range(count))
    found = {"median_ms": statistics.median(ms), "p95_ms": ms[int(0.95 * len(ms))]}
    sys.stdout.write(json.dumps({name: round(n, 1) for name, n in found.items()}))


def _once(session: requests.Session, url: str) -> float:
    def ask(method: str, path: str) -> Any:
        answer = session.request(method, f"{url}/api/tasks/{path}", json={}, timeout=60)
        answer.raise_for_status()
        return answer.json()

    task = ask("POST", "asks")["taskId"]
    while ask("GET", f"{task}/status")["status"] != "blocked":
        time.sleep(PAUSE_SECONDS)
    began = time.perf_counter()
    ask("POST", f"{task}/approve")
    while all(line["message"] != "next" for line in ask("GET", f"{task}/logs")["logs"]):
        time.sleep(PAUSE_SECONDS)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
