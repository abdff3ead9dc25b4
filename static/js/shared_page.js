// A task by a hand-over link: its newest lines, live, and what is said beside them. It
// asks nothing but addresses below its own.

import { PLAIN, coloured } from "./log/ansi.js";
import { clock, text } from "./text.js";

const RENEW_MS = 1_000; // what stands beside the log, at most so often
const base = location.pathname;
const task = document.querySelector("article.task");
const most = Number(task.dataset.most);
const log = part("log");
const earlier = part("earlier");
let first = 0; // seq of the line at the top
let last = 0;
let renewal = 0;

function part(name) {
  return task.querySelector(`[data-part="${name}"]`);
}

function rowOf({ seq, level, message, timestamp }) {
  const row = document.createElement("li");
  row.id = `L${seq}`;
  row.dataset.level = level;
  row.title = clock(new Date(timestamp));
  row.append(cell("n", [String(seq)]), cell("m", coloured(message, PLAIN, asText)));
  return row;
}

function asText(words) {
  return [document.createTextNode(words)];
}

function cell(name, content) {
  const made = document.createElement("span");
  made.className = name;
  made.append(...content);
  return made;
}

function take(line) {
  if (line.seq <= last) return;
  const isAtEnd = innerHeight + scrollY >= document.body.scrollHeight - 80;
  log.append(rowOf(line));
  last = line.seq;
  first ||= line.seq;
  earlier.hidden = first <= 1;
  if (isAtEnd) scrollTo({ top: document.body.scrollHeight });
}

// --- Beside the log -----------------------------------------------------------------------

function renewSoon() {
  renewal ||= setTimeout(renew, RENEW_MS);
}

async function renew() {
  renewal = 0;
  try {
    const answer = await fetch(`${base}/parts`);
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    part("parts").replaceChildren(...page.body.childNodes);
  } catch {
    // The stream says that nobody answers.
  }
}

async function goBack() {
  earlier.disabled = true;
  try {
    const answer = await fetch(`${base}/logs?before=${first}`);
    if (answer.ok) {
      const { logs } = await answer.json();
      log.prepend(...logs.map(rowOf));
      first = logs[0]?.seq ?? 1;
      earlier.hidden = first <= 1;
    }
  } finally {
    earlier.disabled = false;
  }
}

// --- The stream ---------------------------------------------------------------------------

function say(words) {
  part("connection").textContent = words;
}

const events = new EventSource(`${base}/stream?tail=${most}`);
events.onopen = () => say("");
events.onmessage = ({ data }) => {
  const event = JSON.parse(data);
  if (event.type === "log") take(event.log);
  else if (event.type === "update") renewSoon();
  else if (event.type === "end") {
    events.close();
    renewSoon();
  }
};
// A link that was withdrawn or has expired opens no stream any more: the page itself says
// why.
events.onerror = async () => {
  say(text("lost", { time: clock(new Date()) }));
  const answer = await fetch(`${base}/parts`).catch(() => null);
  if (answer && (answer.status === 404 || answer.status === 410)) location.reload();
};
earlier.addEventListener("click", goBack);
