// The lines of a log: appended once per frame, followed while at the end.

import { counted, clock, exact, number, text } from "./text.js";
import { remember, remembered } from "./theme_switch.js";

export const MOST_ROWS = 20_000; // more than this makes a page slow; all are in the download
const FLOOD_PAUSE_MS = 120; // a line on its own is shown at once, a flood in batches
const AT_END_PX = 24;
const LONGEST_PINNED = 160; // characters
const MARKS = { info: "›", stdout: "", stderr: "!", success: "✓", error: "✕" };
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;

export class LogView {
  constructor(panel) {
    const part = (name) => panel.querySelector(`[data-part="${name}"]`);
    this.list = part("log");
    this.more = part("more");
    this.cut = part("cut");
    this.count = part("count");
    this.buttons = { follow: part("follow"), times: part("times"), wrap: part("wrap") };
    this.filter = part("filter");
    this.waiting = [];
    this.unseen = 0;
    this.flushed = -Infinity;
    this.total = Number(panel.dataset.lines);
    this.needle = "";
    this.following = true;
    for (const row of this.list.children) adopt(row);
    this.mount();
  }

  get rows() {
    return this.list.childElementCount;
  }

  mount() {
    const { follow, times, wrap } = this.buttons;
    this.toggle(times, "times", remembered("log.times") === "true");
    this.toggle(wrap, "wrap", remembered("log.wrap") !== "false");
    follow.addEventListener("click", () => this.follow(!this.following));
    for (const name of ["times", "wrap"]) {
      this.buttons[name].addEventListener("click", () => this.toggle(this.buttons[name], name));
    }
    for (const control of [follow, times, wrap, this.filter]) control.hidden = false;
    this.more.addEventListener("click", () => this.follow(true));
    this.filter.addEventListener("input", () => this.search(this.filter.value));
    this.list.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.stay()).observe(this.list);
    if (!this.openLinked()) this.stay();
  }

  // A link to one line (#L120) opens at that line.
  openLinked() {
    const row = /^#L\d+$/.test(location.hash) && this.list.querySelector(location.hash);
    if (!row) return false;
    this.following = false;
    row.scrollIntoView({ block: "center" });
    this.shown();
    return true;
  }

  toggle(button, name, on = button.getAttribute("aria-pressed") !== "true") {
    button.setAttribute("aria-pressed", String(on));
    this.list.classList.toggle(`with-${name}`, on);
    remember(`log.${name}`, String(on));
    this.stay();
  }

  clear() {
    this.list.replaceChildren();
    this.waiting = [];
  }

  append(log) {
    this.waiting.push(log);
    this.total = Math.max(this.total, log.seq);
    if (this.frame) return;
    const flush = () => this.flush();
    const pause = this.flushed + FLOOD_PAUSE_MS - performance.now();
    // A page in the background gets no frames; its lines still must not pile up.
    this.frame =
      pause > 0 || document.hidden
        ? setTimeout(flush, Math.max(pause, 0))
        : requestAnimationFrame(flush);
  }

  flush() {
    this.frame = null;
    this.flushed = performance.now();
    const batch = this.waiting.splice(0).slice(-MOST_ROWS);
    if (!batch.length) return;
    const fragment = document.createDocumentFragment();
    for (const log of batch) fragment.append(this.row(log));
    this.list.append(fragment);
    this.dropOldest();
    if (!this.following) this.unseen += batch.length;
    this.stay();
    this.shown();
  }

  row(log) {
    const moment = new Date(log.timestamp);
    const row = document.createElement("li");
    row.id = `L${log.seq}`;
    row.dataset.level = log.level;
    const anchor = element("a", "n", log.seq);
    anchor.href = `#L${log.seq}`;
    const time = element("time", "t", clock(moment, { milliseconds: true }));
    time.dateTime = log.timestamp;
    time.title = exact(moment);
    const mark = element("span", "mark", MARKS[log.level] ?? "");
    mark.title = log.level;
    row.append(anchor, time, mark, element("span", "m", plain(log.message)));
    beautify(row);
    if (this.needle && !matches(row, this.needle)) row.hidden = true;
    return row;
  }

  dropOldest() {
    const extra = this.rows - MOST_ROWS;
    if (extra <= 0) return;
    const range = document.createRange();
    range.setStartBefore(this.list.firstElementChild);
    range.setEndAfter(this.list.children[extra - 1]);
    range.deleteContents();
  }

  shown() {
    const first = this.list.firstElementChild;
    this.cut.hidden = !first || first.id === "L1";
    if (!this.cut.hidden) this.cut.textContent = text("cutNotice", { n: number(this.rows) });
    this.count.textContent = this.needle
      ? text("matching", { n: number(this.found()), all: number(this.total) })
      : counted("line", "lines", this.total);
    this.more.hidden = this.following || !this.unseen;
    if (this.unseen) this.more.textContent = `↓ ${counted("newLine", "newLines", this.unseen)}`;
    this.buttons.follow.setAttribute("aria-pressed", String(this.following));
  }

  found() {
    return this.list.querySelectorAll("li:not([hidden])").length;
  }

  search(words) {
    this.needle = words.trim().toLowerCase();
    for (const row of this.list.children) {
      row.hidden = Boolean(this.needle) && !matches(row, this.needle);
    }
    this.stay();
    this.shown();
  }

  // Only a reader who is at the end is taken along.
  stay() {
    if (this.following) this.list.scrollTop = this.list.scrollHeight;
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.list;
    const atEnd = scrollTop + clientHeight >= scrollHeight - AT_END_PX;
    if (atEnd === this.following) return;
    this.following = atEnd;
    if (atEnd) this.unseen = 0;
    this.shown();
  }

  follow(on) {
    this.following = on;
    this.unseen = 0;
    this.stay();
    this.shown();
  }

  top() {
    this.following = false;
    this.list.scrollTop = 0;
    this.shown();
  }
}

function element(tag, className, words) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = words;
  return made;
}

function plain(message) {
  return message.includes("\x1b") ? message.replace(ESCAPES, "") : message;
}

function matches(row, needle) {
  return row.lastElementChild.textContent.toLowerCase().includes(needle);
}

// A row that the server made gets what only the browser knows.
function adopt(row) {
  const time = row.querySelector("time");
  const moment = new Date(time.dateTime);
  time.textContent = clock(moment, { milliseconds: true });
  time.title = exact(moment);
  row.lastElementChild.textContent = plain(row.lastElementChild.textContent);
  beautify(row);
}

function beautify(row) {
  const message = row.lastElementChild.textContent;
  const isStep = row.dataset.level === "info" && message.startsWith("Executing: ");
  row.classList.toggle("step", isStep);
  // A command of many lines would cover the log that it heads.
  row.classList.toggle("pinned", isStep && message.length <= LONGEST_PINNED);
}
