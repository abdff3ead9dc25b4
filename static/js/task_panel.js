// One task on a page: its status, progress, steps and log, live until it ends.

import { announce } from "./announce.js";
import { Problem, post } from "./api.js";
import { ask } from "./ask.js";
import { LogView, MOST_ROWS } from "./log_view.js";
import { fetchPart, isSignedOut } from "./session.js";
import { TaskStream } from "./stream.js";
import { clock, duration, language, text } from "./text.js";
import { refreshTimes } from "./times.js";

const SHAPES = { pending: "◌", running: "●", completed: "✓", failed: "✕", cancelled: "⊘" };
const ENDED = new Set(["completed", "failed", "cancelled"]);
const SILENCE_SECONDS = 30;
const WHY_REFRESH_MS = 10_000;

export class TaskPanel {
  constructor(root, { ended = () => {} } = {}) {
    this.root = root;
    this.ended = ended;
    this.name = root.dataset.name;
    this.status = root.dataset.status;
    this.created = Number(root.dataset.created) * 1000;
    this.started = Number(root.dataset.started || 0) * 1000;
    // What the clocks of server and browser differ by.
    this.skew = Number(root.dataset.now) * 1000 - Date.now();
    this.lastLine = Date.now();
    this.log = new LogView(root);
    this.mountCancel();
    this.connect();
    this.timer = setInterval(() => this.tick(), 1000);
    this.whyTimer = setInterval(() => this.refreshWhy(), WHY_REFRESH_MS);
    this.tick();
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  connect() {
    const total = Number(this.root.dataset.lines);
    const hasAll = this.log.rows === total;
    if (ENDED.has(this.status) && hasAll) return;
    if (!hasAll) this.log.clear();
    this.say("connecting");
    const from = hasAll && total ? { after: total } : { tail: total > MOST_ROWS ? MOST_ROWS : 0 };
    this.stream = new TaskStream(`${this.root.dataset.api}/stream`, from, {
      connected: (task) => this.connected(task),
      line: (log) => this.line(log),
      update: (task) => this.update(task),
      end: () => this.end(),
      lost: (since) => this.say("lost", { time: clock(since) }),
      refused: () => this.refused(),
      back: () => this.say("live"),
    });
  }

  async refused() {
    if (await isSignedOut()) this.say("signedOut");
  }

  connected(task) {
    this.say("live");
    this.update(task);
  }

  line(log) {
    this.lastLine = Date.now();
    this.log.append(log);
  }

  update(task) {
    this.started = task.startedAt ? Date.parse(task.startedAt) : 0;
    this.completed = task.completedAt ? Date.parse(task.completedAt) : 0;
    this.showStatus(task.status);
    this.part("progress").value = task.progress;
    this.part("progress").dataset.status = task.status;
    this.part("percent").textContent = `${task.progress} %`;
    this.showStep(task);
    this.showStoredError(task.error);
    this.showButtons(task);
    this.showSteps(task);
    this.showEnd();
    this.tick();
  }

  showStatus(status) {
    if (status === this.status) return;
    this.status = this.root.dataset.status = status;
    const badge = this.part("status").firstElementChild;
    badge.dataset.status = status;
    badge.querySelector(".shape").textContent = SHAPES[status];
    badge.querySelector(".word").textContent = text(status);
    if (this.root.hasAttribute("data-titles")) {
      document.title = document.title.replace(/^\S+/, SHAPES[status]);
    }
    announce(text("statusNow", { name: this.name, status: text(status) }));
  }

  showStep({ step }) {
    if (!step.index) return;
    const name = this.stepNames()[step.index - 1]?.[1] ?? step.name;
    const words = { k: step.index, n: step.count, name };
    this.part("step").textContent = text("stepOf", words);
  }

  // Each step's name, and how it reads in the page's language.
  stepNames() {
    return JSON.parse(document.getElementById("step-names")?.textContent ?? "[]");
  }

  // Stored in English; the server knows it in the page's language.
  async showStoredError(error) {
    if (!error || language === "en") return this.showError(error);
    const panel = await this.fetchPanel();
    this.showError(panel?.querySelector('[data-part="error"]')?.textContent || error);
  }

  showError(error) {
    this.part("error").hidden = !error;
    this.part("error").textContent = error || "";
  }

  showButtons(task) {
    const cancel = this.part("cancel");
    const rerun = this.part("rerun");
    if (!cancel) return;
    const hasEnded = ENDED.has(task.status);
    if (hasEnded && cancel.contains(document.activeElement)) this.part("log").focus();
    cancel.hidden = hasEnded;
    rerun.hidden = !hasEnded;
    if (task.cancelRequestedAt) this.showCancelling();
  }

  showCancelling() {
    const button = this.part("cancel").querySelector("button");
    button.disabled = true;
    button.textContent = text("cancelling");
  }

  showSteps(task) {
    const body = this.part("steps");
    if (!body) return;
    const names = this.stepNames();
    const shown = new Map(names);
    const results = task.result?.results ?? [];
    const rows = names.map(([, name], index) => ({ name, index }));
    for (const [index, result] of results.entries()) {
      rows[index] = { ...result, name: shown.get(result.name) ?? result.name, index };
    }
    body.replaceChildren(...rows.map((row) => stepRow(row, task)));
  }

  showEnd() {
    const ended = this.part("ended");
    if (!ended || !this.completed || !ended.hidden) return;
    ended.hidden = false;
    ended.querySelector("time").dateTime = new Date(this.completed).toISOString();
    refreshTimes(ended);
  }

  say(key, values) {
    this.part("connection").textContent = text(key, values);
    this.part("connection").dataset.state = key;
  }

  tick() {
    const now = Date.now() + this.skew;
    if (this.status === "pending") {
      this.part("elapsed").textContent = ticking(now - this.created);
    } else if (this.started) {
      const words = this.completed
        ? duration((this.completed - this.started) / 1000)
        : !ENDED.has(this.status) && ticking(now - this.started);
      if (words) this.part("elapsed").textContent = words;
    }
    this.watchSilence();
  }

  watchSilence() {
    const state = this.part("connection").dataset.state;
    if (this.status !== "running" || !["live", "silent"].includes(state)) return;
    const seconds = (Date.now() - this.lastLine) / 1000;
    if (seconds < SILENCE_SECONDS) {
      if (state === "silent") this.say("live");
    } else this.say("silent", { time: duration(seconds) });
  }

  // What a task waits for changes while it waits, and only the server knows.
  async refreshWhy() {
    if (this.status !== "pending" || document.hidden) return;
    const panel = await this.fetchPanel();
    const words = panel?.querySelector('[data-part="step"]')?.textContent.trim();
    if (words && this.status === "pending") this.part("step").textContent = words;
  }

  fetchPanel() {
    return fetchPart(`/tasks/${this.root.dataset.task}/panel`);
  }

  end() {
    this.part("connection").textContent = "";
    delete this.part("connection").dataset.state;
    this.stopClocks();
    this.ended();
  }

  mountCancel() {
    this.part("cancel")?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.askToCancel();
    });
  }

  async askToCancel() {
    const cancel = this.part("cancel");
    if (!cancel || cancel.hidden || cancel.querySelector("button").disabled) return;
    const agreed = await ask({
      title: text("cancelQuestion", { name: this.name }),
      consequence: text("cancelConsequence"),
      yes: text("cancelTask"),
      no: text("letRun"),
    });
    if (!agreed) return;
    try {
      await post(`${this.root.dataset.api}/cancel`);
      if (!ENDED.has(this.status)) this.showCancelling();
    } catch (error) {
      const words = error instanceof Problem ? error.message : text("noAnswer");
      if (!ENDED.has(this.status)) this.showError(words);
    }
  }

  rerun() {
    const form = this.part("rerun");
    if (form && !form.hidden) form.requestSubmit();
  }

  close() {
    this.stream?.close();
    this.stopClocks();
  }

  stopClocks() {
    clearInterval(this.timer);
    clearInterval(this.whyTimer);
  }
}

// Whole seconds: tenths would flicker.
function ticking(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  return seconds < 10 ? text("seconds", { s: seconds }) : duration(seconds);
}

function stepRow({ name, index, exitCode, durationMs }, task) {
  const ran = durationMs !== undefined || exitCode !== undefined;
  const row = document.createElement("tr");
  const status = ran ? statusOfResult(exitCode, task.status) : statusOfStep(index + 1, task);
  const badge = document.createElement("span");
  badge.className = "status";
  badge.dataset.status = status;
  badge.textContent = `${SHAPES[status] ?? "–"} ${text(status || "notRun")}`;
  const time = durationMs == null ? "–" : duration(durationMs / 1000);
  for (const content of [badge, name, exitCode ?? "–", time]) {
    const cell = document.createElement("td");
    cell.append(content);
    row.append(cell);
  }
  row.children[2].className = row.children[3].className = "number";
  return row;
}

function statusOfResult(exitCode, taskStatus) {
  if (exitCode === 0) return "completed";
  return taskStatus === "cancelled" ? "cancelled" : "failed";
}

function statusOfStep(number, task) {
  if (ENDED.has(task.status)) return "";
  if (number < task.step.index) return "completed";
  return number === task.step.index ? "running" : "pending";
}
