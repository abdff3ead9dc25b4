// One task on a page: its status, progress, steps and log, live until it ends.

import { announce } from "./announce.js";
import { againstUsual, showGauge, timeLeft } from "./gauge.js";
import { LogView } from "./log_view.js";
import { Notify } from "./notify.js";
import { fetchPart, isSignedOut } from "./session.js";
import { refreshSince } from "./since.js";
import { ENDED, SHAPES } from "./status.js";
import { TaskStream } from "./stream.js";
import { TaskAway } from "./task_away.js";
import { TaskCancel } from "./task_cancel.js";
import { TaskChat } from "./task_chat.js";
import { TaskFacts } from "./task_facts.js";
import { TaskPeople } from "./task_people.js";
import { TaskRerun } from "./task_rerun.js";
import { TaskSilence } from "./task_silence.js";
import { TaskViews } from "./task_views.js";
import { TaskWait } from "./task_wait.js";
import { clock, duration, language, person, text, ticking } from "./text.js";

export class TaskPanel {
  constructor(root, { ended = () => {}, isPage = false } = {}) {
    this.root = root;
    this.ended = ended;
    this.api = root.dataset.api;
    this.name = root.dataset.name;
    this.status = root.dataset.status;
    this.waitsSince = Number(root.dataset.waits) * 1000;
    this.approvalMs = Number(root.dataset.approvalMs);
    this.started = Number(root.dataset.started || 0) * 1000;
    this.usual = Number(root.dataset.usual || 0) * 1000;
    // What the clocks of server and browser differ by.
    this.skew = Number(root.dataset.now) * 1000 - Date.now();
    this.log = new LogView(root, { inAddress: isPage });
    this.chat = new TaskChat(this);
    this.views = new TaskViews(root);
    this.facts = new TaskFacts(this, () => {
      this.chat.mount();
      this.views.renewed();
    });
    this.silence = new TaskSilence(this.log.lines.newest, this.now);
    this.isWished = !this.part("cancelling").hidden; // its end
    this.cancel = new TaskCancel(this);
    this.rerun = new TaskRerun(this);
    if (isPage) this.people = new TaskPeople(this);
    if (this.hasEnded) return;
    if (isPage) this.notify = new Notify(this.part("notify"), this.name);
    this.away = new TaskAway(this.api, (task) => this.update(task));
    const isWaiting = () => this.status === "pending";
    this.wait = new TaskWait(root.dataset.task, this.part("step"), isWaiting);
    this.connect();
    this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  part(name) {
    return this.root.querySelector(`[data-part="${name}"]`);
  }

  get hasEnded() {
    return ENDED.has(this.status);
  }

  // The server's clock, in milliseconds.
  get now() {
    return Date.now() + this.skew;
  }

  // --- The stream ------------------------------------------------------------------------

  connect() {
    this.say("connecting");
    this.stream = new TaskStream(this.root.dataset.task, this.log.total, {
      connected: (task) => this.connected(task),
      line: (log) => this.line(log),
      update: (task) => this.updated(task),
      degraded: ({ since }) => this.degraded(new Date(since)),
      end: () => this.end(),
      lost: (since) => this.say("lost", { time: clock(since) }),
      refused: () => this.refused(),
      back: () => this.say("live"),
      gone: () => this.gone(),
      rested: () => this.rested(),
    });
  }

  async refused() {
    if (await isSignedOut()) this.say("signedOut");
  }

  connected(task) {
    this.away.stop();
    this.say("live");
    this.updated(task);
  }

  updated(task) {
    this.answered();
    this.update(task);
  }

  // Nobody sees the page, so it hears nothing until somebody does.
  rested() {
    this.say("connecting");
    if (!this.hasEnded) this.away.begin();
  }

  gone() {
    this.say("gone", {}, "lost");
    this.stopClocks();
  }

  // The service can't read its database: nobody knows what the task does.
  degraded(since) {
    this.outageSince = since.getTime();
    const key = this.status === "pending" ? "degraded" : "degradedRunning";
    this.say(key, { time: clock(since) }, "degraded");
  }

  // Whatever comes says that it can again.
  answered() {
    if (!this.outageSince) return;
    this.silence.skip(this.now - this.outageSince);
    this.outageSince = null;
    this.say("live");
  }

  line(log) {
    this.answered();
    this.silence.line(this.now);
    this.facts.line(log);
    this.log.append(log);
  }

  end() {
    this.part("connection").textContent = "";
    delete this.part("connection").dataset.state;
    delete this.root.dataset.connection;
    this.stopClocks();
    this.log.shown();
    this.ended();
  }

  say(key, values, state = key) {
    this.part("connection").textContent = text(key, values);
    this.part("connection").dataset.state = state;
    const isLost = ["lost", "degraded", "signedOut"].includes(state);
    this.root.dataset.connection = isLost ? "lost" : "there";
  }

  // --- How it goes -----------------------------------------------------------------------

  update(task) {
    this.started = task.startedAt ? Date.parse(task.startedAt) : 0;
    this.log.started = this.started;
    this.approvalMs = task.approvalMs;
    const { askedAt, decidedAt } = task.approval ?? {};
    this.waitsSince = Date.parse(decidedAt ?? askedAt ?? task.createdAt);
    this.completed = task.completedAt ? Date.parse(task.completedAt) : 0;
    this.showStatus(task);
    showGauge((name) => this.part(name), task);
    this.showAttempt(task);
    this.showStep(task);
    this.showSince("stalled", this.hasEnded ? null : task.stalledSince);
    this.silence.update(task);
    this.showStoredError(task.error);
    if (task.result?.firstError) this.log.landmarks.fail(task.result.firstError);
    this.cancelling(task);
    this.facts.update(task);
  }

  showStatus({ status, error, cancelRequestedAt }) {
    const isAnother = status !== this.status;
    this.status = this.root.dataset.status = status;
    this.isWished = Boolean(cancelRequestedAt);
    this.showState();
    if (!isAnother) return;
    if (this.hasEnded) {
      this.showProblem("");
      this.notify?.ended(SHAPES[status], status, error);
    }
    announce(text("statusNow", { name: this.name, status: text(status) }));
  }

  // Its status, or that it is on its way to its end: also while nobody has said yet that
  // it is.
  showState() {
    const isCancelling = !this.hasEnded && (this.isWished || this.cancel.isSent);
    const state = isCancelling ? "cancelling" : this.status;
    this.part("progress").dataset.status = state;
    const badge = this.part("status").firstElementChild;
    if (badge.dataset.status !== state) {
      badge.dataset.status = state;
      badge.querySelector(".shape").textContent = SHAPES[state];
      badge.querySelector(".word").textContent = text(state);
      this.notify?.show(SHAPES[state]);
    }
    const place = this.part("cancelling");
    if (this.isWished) return;
    place.hidden = !isCancelling;
    place.textContent = isCancelling ? text("cancellingNow") : "";
  }

  showAttempt({ attempt }) {
    this.part("attempt").hidden = attempt === 1;
    this.part("attempt").textContent = text("attempt", { n: attempt });
  }

  showStep({ step, status }) {
    if (status === "pending") this.wait.ask();
    else this.wait.forget();
    if (!step.index || this.hasEnded) {
      if (status !== "pending") this.part("step").textContent = "";
      return;
    }
    this.wait.forget();
    const name = this.stepNames()[step.index - 1]?.[1] ?? step.name;
    this.part("step").textContent = text("stepOf", { k: step.index, n: step.count, name });
  }

  // Each step's name, and how it reads in the page's language.
  stepNames() {
    return JSON.parse(document.getElementById("step-names")?.textContent ?? "[]");
  }

  // Stored in English; the server knows it in the page's language, and a task's own page
  // gets it with its facts.
  async showStoredError(error) {
    if (this.part("card")) return;
    if (!error || language === "en") return this.showError(error);
    const panel = await fetchPart(`/tasks/${this.root.dataset.task}/panel`);
    this.showError(panel?.querySelector('[data-part="error"]')?.textContent || error);
  }

  showError(error) {
    this.part("error").hidden = !error;
    this.part("error").textContent = error || "";
  }

  // What became of something that was asked for, until something else is.
  showProblem(words) {
    this.part("problem").hidden = !words;
    this.part("problem").textContent = words;
  }

  // Whether its end was asked for, and what can still be asked.
  cancelling(task) {
    const place = this.part("cancelling");
    place.dataset.saying = task.cancelForced ? "forcedSince" : "cancellingSince";
    place.dataset.who = person(task.cancelRequestedBy ?? "");
    place.dataset.grace = task.cancelForced ? "" : (this.root.dataset.grace ?? "");
    this.isWished = Boolean(task.cancelRequestedAt);
    this.showSince("cancelling", this.hasEnded ? null : task.cancelRequestedAt);
    this.showState();
    this.cancel.show(task);
    this.tick();
  }

  // The words themselves come with the next tick.
  showSince(name, moment) {
    const place = this.part(name);
    place.hidden = !moment;
    place.dataset.since = moment ? Date.parse(moment) / 1000 : "";
  }

  // --- Clocks ------------------------------------------------------------------------------

  // While the connection is lost no clock goes on: nobody knows whether the task does.
  tick() {
    if (this.root.dataset.connection === "lost") return;
    const { now } = this;
    this.part("elapsed").textContent = this.elapsed(now);
    this.showEstimate(now);
    refreshSince(this.root, now);
    if (!this.hasEnded) this.facts.tick(now);
    this.watchSilence(now);
  }

  elapsed(now) {
    if (["pending", "blocked"].includes(this.status)) return ticking(now - this.waitsSince);
    if (!this.started) return "";
    if (this.completed) return duration((this.completed - this.begun) / 1000);
    return ticking(now - this.begun);
  }

  // When it began, had it not awaited approvals: that was no work.
  get begun() {
    return this.started + this.approvalMs;
  }

  // Beside what is usual: how long it still takes, and how long it has run.
  showEstimate(now) {
    const isRunning = this.status === "running" && this.started;
    const usual = isRunning ? this.usual : 0;
    const elapsed = now - this.begun;
    this.part("left").textContent = timeLeft(elapsed, usual, this.part("progress").value);
    this.part("against").textContent = againstUsual(elapsed, usual);
  }

  watchSilence(now) {
    const { state } = this.part("connection").dataset;
    if (this.status !== "running" || !["live", "silent"].includes(state)) return;
    const found = this.silence.at(now);
    if (found) this.say(found.key, found.values, "silent");
    else if (state === "silent") this.say("live");
  }

  close() {
    this.stream?.close();
    this.stopClocks();
  }

  stopClocks() {
    clearInterval(this.timer);
    this.wait?.stop();
    this.away?.stop();
  }
}
