#!/usr/bin/env node
// Starts a task and follows it, line by line, to its end.
//
//   API_KEY=… node sse-client-example.js [version] [type]
//
// Exit code: 0 completed, 1 failed or cancelled, 2 could not be started or followed.
// A restarted server or a broken network costs no line: the stream goes on after the
// last line that was received.

import { EventSource } from "eventsource";

const RETRY_MS = 2_000;
const SILENCE_MS = 45_000; // the server says something at least every 15 s

const { API_URL = "http://127.0.0.1:3000", API_KEY = "" } = process.env;
const [version = "v885", type = "check-integrity", ...rest] = process.argv.slice(2);

let watched = ""; // the id of the task, once it has started

process.on("SIGINT", () => {
  const goesOn = watched ? `task ${watched} goes on.` : "a task may have started.";
  console.error(`\nNo longer watching; ${goesOn}`);
  process.exit(130);
});
process.stdout.on("error", () => process.exit(141)); // nobody reads any more: "… | head"

function stop(sentence) {
  console.error(sentence);
  process.exit(2);
}

async function start() {
  const url = `${API_URL.replace(/\/+$/, "")}/api/tasks/${encodeURIComponent(type)}`;
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-API-Key": API_KEY },
    body: JSON.stringify({ version }),
  }).catch((error) => stop(`Cannot reach ${API_URL}: ${error.cause?.code ?? error.message}`));
  const body = await answer.json().catch(() => ({}));
  if (answer.status !== 202) {
    stop(`Not started (HTTP ${answer.status}): ${body.detail ?? "is this the right API_URL?"}`);
  }
  return body;
}

function follow({ taskId, streamUrl }) {
  watched = taskId;
  let task; // as the server last described it
  let lastEventId = "";
  let source;
  let timer;

  const wait = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(open, ms);
  };

  function open() {
    source?.close();
    const url = new URL(streamUrl);
    if (lastEventId) url.searchParams.set("lastEventId", lastEventId);
    source = new EventSource(url, {
      fetch: (url, init) =>
        fetch(url, { ...init, headers: { ...init.headers, "X-API-Key": API_KEY } }),
    });
    source.onmessage = onMessage;
    source.onerror = onError;
    wait(SILENCE_MS);
  }

  function onMessage(message) {
    const event = JSON.parse(message.data);
    lastEventId = message.lastEventId || lastEventId;
    wait(SILENCE_MS);
    task = event.task ?? task;
    if (event.type === "connected") {
      console.log(`Connected to ${task.type} ${task.id}: ${task.status}, ${task.progress} %`);
    } else if (event.type === "log") {
      const { timestamp, level, message } = event.log;
      console.log(`${timestamp.slice(11)}  ${level.padEnd(7)}  ${message}`);
    } else if (event.type === "update") {
      const { index, count, name } = task.step ?? {};
      const step = name ? ` (step ${index} of ${count}: ${name})` : "";
      console.log(`${task.status}, progress ${task.progress} %${step}`);
    } else if (event.type === "degraded") {
      console.error(`${event.reason} Waiting for the rest.`);
    } else if (event.type === "end") {
      source.close();
      clearTimeout(timer);
      console.log(`The task is ${event.status}: ${task.error ?? `${event.logCount} lines`}`);
      process.exitCode = event.status === "completed" ? 0 : 1;
    }
  }

  // After a lost connection EventSource returns by itself; after any answer but 200
  // (say, a proxy's 502) it does not.
  function onError({ code, message }) {
    if (code >= 400 && code < 500 && code !== 429) {
      stop(`The stream of task ${taskId} is closed to us (HTTP ${code}).`);
    }
    console.error(`Connection lost (${message ?? "the server closed it"}); trying again.`);
    if (source.readyState === EventSource.CLOSED) wait(RETRY_MS * (0.5 + Math.random()));
  }

  open();
}

if (rest.length || version.startsWith("-")) {
  stop("Usage: API_KEY=… node sse-client-example.js [version] [type]");
}
if (!/^[!-~]+$/.test(API_KEY)) stop("Set API_KEY to a key of the service.");
follow(await start());
