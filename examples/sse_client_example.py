#!/usr/bin/env python3
"""Starts a task and follows it, line by line, to its end.

    API_KEY=… python sse_client_example.py [version] [type]

Exit code: 0 completed, 1 failed or cancelled, 2 could not be started or followed.
A restarted server or a broken network costs no line: the stream goes on after the last
line that was received.
"""

import json
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import quote

import requests
from sseclient import SSEClient

RETRY_SECONDS = 2
CONNECT_SECONDS = 10
SILENCE_SECONDS = 45  # the server says something at least every 15 s

API_URL = os.environ.get("API_URL", "http://127.0.0.1:3000").rstrip("/")
API_KEY = os.environ.get("API_KEY", "")

session = requests.Session()
session.headers["X-API-Key"] = API_KEY


def stop(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(2)


def start(version: str, task_type: str) -> dict[str, Any]:
    url = f"{API_URL}/api/tasks/{quote(task_type, safe='')}"
    try:
        answer = session.post(url, json={"version": version}, timeout=CONNECT_SECONDS)
    except requests.ConnectionError:
        stop(f"Cannot reach {API_URL}; is the service running there?")
    except (requests.RequestException, ValueError) as error:
        stop(f"Cannot ask {API_URL}: {error}")
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code != requests.codes.accepted:
        detail = body.get("detail", "is this the right API_URL?")
        stop(f"Not started (HTTP {answer.status_code}): {detail}")
    return body


def events(task_id: str, stream_url: str) -> Iterator[dict[str, Any]]:
    """Every event up to the end, over as many connections as it takes."""
    position: dict[str, str] = {}
    while True:
        try:
            with session.get(
                stream_url,
                headers={"Accept": "text/event-stream", **position},
                stream=True,
                timeout=(CONNECT_SECONDS, SILENCE_SECONDS),
            ) as response:
                code = response.status_code
                if code // 100 == 4 and code != requests.codes.too_many_requests:
                    stop(f"The stream of task {task_id} is closed to us (HTTP {code}).")
                response.raise_for_status()
                for message in SSEClient(response).events():
                    event = json.loads(message.data)
                    if message.id:
                        position = {"Last-Event-ID": message.id}
                    yield event
                    if event["type"] == "end":
                        return
        except (requests.RequestException, json.JSONDecodeError):
            pass  # gone, perhaps in the middle of an event
        print("Connection lost; trying again.", file=sys.stderr)
        time.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311


def show(event: dict[str, Any], task: dict[str, Any]) -> None:
    match event["type"]:
        case "connected":
            where = f"{task['status']}, {task['progress']} %"
            print(f"Connected to {task['type']} {task['id']}: {where}")
        case "log":
            log = event["log"]
            print(f"{log['timestamp'][11:]}  {log['level']:7}  {log['message']}")
        case "update":
            step = task["step"] or {}
            place = " (step {index} of {count}: {name})".format(**step) if step else ""
            print(f"{task['status']}, progress {task['progress']} %{place}")
        case "degraded":
            print(f"{event['reason']} Waiting for the rest.", file=sys.stderr)
        case "end":
            what = task["error"] or f"{event['logCount']} lines"
            print(f"The task is {event['status']}: {what}")


def main(arguments: list[str]) -> int:
    if len(arguments) > 2 or any(word.startswith("-") for word in arguments):
        stop("Usage: API_KEY=… python sse_client_example.py [version] [type]")
    if not re.fullmatch("[!-~]+", API_KEY):
        stop("Set API_KEY to a key of the service.")
    version, task_type = [*arguments, *("v885", "check-integrity")[len(arguments) :]]
    sys.stdout.reconfigure(line_buffering=True)  # at once, through a pipe too
    task_id = ""
    try:
        task = start(version, task_type)
        task_id = task["taskId"]
        for event in events(task_id, task["streamUrl"]):
            task = event.get("task", task)
            show(event, task)
    except KeyboardInterrupt:
        goes_on = f"task {task_id} goes on." if task_id else "a task may have started."
        print(f"\nNo longer watching; {goes_on}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # nobody reads any more, as in "… | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0 if event["status"] == "completed" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
