// One task on a page: its status, progress, steps and log, live until it ends.

import { announce } from "./announce.js";
import { Problem, get, post } from "./api.js";
import { ask } from "./ask.js";
import { LogView } from "./log_view.js";
import { fetchPart, isSignedOut } from "./session.js";
import { TaskStream } from "./stream.js";
import { clock, duration, language, number, text } from "./text.js";
import { refreshTimes } from "./times.js";

const SHAPES = { pending: "◌", running: "●", completed: "✓", failed: "✕", cancelled: "⊘" };
const ENDED = new Set(["completed", "failed", "cancelled"]);
const SILENCE_SECONDS = 30;
const ASK_WHY_MS = 3_000;
const WAITS = {
  turn: "waitsForTurn",
  lock: "waitsForLock",
  limit: "waitsForLimit",
  runner: "waitsForRunner",
};

export class TaskPanel {
  constructor(root, { ended = () => {}, isPage = false } = {}) {
    this.root = root;
    this.ended = ended;
    this.name = root.dataset.name;
    this.status = root.dataset.status;
    this.created = Number(root.dataset.created) * 1000;
    this.started = Number(root.dataset.started || 0) * 1000;
    // What the clocks of server and browser differ by.
    this.skew = Number(root.dataset.now) * 1000 - Date.now();
    this.lastLine = Date.now();
    this.log = new LogView(root, { inAddress: isPage });
    this.mountCancel();
    this.connect();
    this.timer = setInterval(() => this.tick(), 1000);
    this.whyTimer = setInterval(() => this.askWhyItWaits(), ASK_WHY_MS);
    this.tick();
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  connect() {
    const { total } = this.log;
    if (ENDED.has(this.status)) return;
    this.say("connecting");
    this.stream = new TaskStream(`${this.root.dataset.api}/stream`, total, {
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
    this.log.started = this.started;
    this.completed = task.completedAt ? Date.parse(task.completedAt) : 0;
    this.showStatus(task.status);
    this.part("progress").value = task.progress;
    this.part("progress").dataset.status = task.status;
    this.part("percent").textContent = `${task.progress} %`;
    this.showAttempt(task);
    this.showStep(task);
    this.showStalled(task);
    this.showStoredError(task.error);
    this.showCancel(task);
    this.showSteps(task);
    this.showEnd(task);
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

  showAttempt({ attempt }) {
    for (const name of ["attempt", "retaken"]) {
      if (this.part(name)) this.part(name).hidden = attempt === 1;
    }
    this.part("attempt").textContent = text("attempt", { n: attempt });
    if (this.part("attempts")) this.part("attempts").textContent = attempt;
  }

  showStep({ step, status }) {
    // What it waits for changes while the stream has nothing to say of this task.
    if (status === "pending") this.askWhyItWaits();
    if (!step.index) return;
    this.wait = null;
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

  showStalled({ stalledSince, status }) {
    this.showSince("stalled", ENDED.has(status) ? null : stalledSince);
  }

  // Whether its end was asked for, and what can still be asked.
  showCancel(task) {
    const { cancelRequestedAt: askedAt, cancelRequestedBy: who, cancelForced } = task;
    const hasEnded = ENDED.has(task.status);
    const place = this.part("cancelling");
    place.dataset.saying = cancelForced ? "forcedSince" : "cancellingSince";
    place.dataset.who = who ?? "";
    this.showSince("cancelling", hasEnded ? null : askedAt);
    const cancel = this.part("cancel");
    if (!cancel) return;
    const isDone = hasEnded || cancelForced;
    if (isDone && cancel.contains(document.activeElement)) this.part("scroll").focus();
    cancel.hidden = isDone;
    this.part("rerun").hidden = !hasEnded;
    if (askedAt) this.offerForce(cancel);
  }

  offerForce(cancel) {
    const button = cancel.querySelector("button");
    cancel.elements.force.disabled = false;
    button.textContent = text("force");
    button.title = text("forceConsequence");
  }

  // The words themselves come with the next tick.
  showSince(name, moment) {
    const place = this.part(name);
    place.hidden = !moment;
    place.dataset.since = moment ? Date.parse(moment) / 1000 : "";
  }

  showSteps(task) {
    const body = this.part("steps");
    if (!body) return;
    const names = this.stepNames();
    const shown = new Map(names);
    const ran = rowsOfResults(task.result?.results ?? []);
    const begun = ran.filter((row) => row.attempt <= 1).length;
    const rows = [
      ...ran.map((row) => ({ ...row, name: shown.get(row.name) ?? row.name })),
      ...names.slice(begun).map(([, name], place) => ({ name, number: begun + place + 1 })),
    ];
    body.replaceChildren(...rows.map((row) => stepRow(row, task)));
  }

  showEnd({ status, cancelRequestedBy: who }) {
    const ended = this.part("ended");
    if (!ended || !this.completed || !ended.hidden) return;
    this.part("cancelled").hidden = status !== "cancelled" || !who;
    this.part("canceller").textContent = who;
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
    for (const place of this.root.querySelectorAll("[data-since]:not([data-since=''])")) {
      const { saying, since, who: name } = place.dataset;
      const time = clock(new Date(since * 1000));
      place.textContent = text(saying, { time, duration: ticking(now - since * 1000), name });
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

  async askWhyItWaits() {
    if (this.status !== "pending" || document.hidden) return;
    const task = await get(`${this.root.dataset.api}/status`);
    if (task?.waitingFor && this.status === "pending") this.showWait(task.waitingFor);
  }

  showWait({ reason, position, taskId }) {
    const wait = `${reason} ${position} ${taskId}`;
    if (wait === this.wait) return; // a link that is pointed at stays
    this.wait = wait;
    const [before, after = ""] = text(WAITS[reason]).split("{task}");
    const place =
      position === 1 ? text("nextInQueue") : text("inQueue", { n: number(position) });
    const link = taskId ? [linkTo(taskId)] : [];
    this.part("step").replaceChildren(before, ...link, `${after} · ${place}`);
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
    if (!cancel || cancel.hidden) return;
    const force = !cancel.elements.force.disabled;
    const agreed = await ask({
      title: text(force ? "forceQuestion" : "cancelQuestion", { name: this.name }),
      consequence: text(force ? "forceConsequence" : "cancelConsequence"),
      yes: text(force ? "force" : "cancelTask"),
      no: text(force ? "keepWaiting" : "letRun"),
    });
    if (!agreed) return;
    try {
      const task = await post(`${this.root.dataset.api}/cancel`, { force });
      if (!ENDED.has(this.status)) this.showCancel(task);
      this.tick();
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

function linkTo(taskId) {
  const link = document.createElement("a");
  link.className = "code";
  link.href = `/tasks/${taskId}`;
  link.textContent = taskId.slice(0, 8);
  return link;
}

// One row for each attempt; `attempt` is 0 where there was only one.
function rowsOfResults(results) {
  const attempts = results.map(({ attempt = 1 }) => attempt);
  return results.map((result, place) => {
    const wasRepeated = attempts[place] > 1 || attempts[place + 1] > 1;
    return { ...result, attempt: wasRepeated ? attempts[place] : 0 };
  });
}

function stepRow({ name, number, attempt, exitCode, durationMs }, task) {
  const ran = durationMs !== undefined || exitCode !== undefined;
  const row = document.createElement("tr");
  const status = ran ? statusOfResult(exitCode, task.status) : statusOfStep(number, task);
  const badge = document.createElement("span");
  badge.className = "status";
  badge.dataset.status = status;
  badge.textContent = `${SHAPES[status] ?? "–"} ${text(status || "notRun")}`;
  const time = durationMs == null ? "–" : duration(durationMs / 1000);
  for (const content of [[badge], nameAndAttempt(name, attempt), [exitCode ?? "–"], [time]]) {
    const cell = document.createElement("td");
    cell.append(...content);
    row.append(cell);
  }
  row.children[2].className = row.children[3].className = "number";
  return row;
}

function nameAndAttempt(name, attempt) {
  if (!attempt) return [name];
  const mark = document.createElement("span");
  mark.className = "muted";
  mark.textContent = text("attemptOfStep", { n: attempt });
  return [name, " ", mark];
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
