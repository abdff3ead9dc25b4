// What a page says of a task beside its log: steps, times, reruns, result. The server
// writes it, and writes it anew when the task has got further; which step runs is drawn
// from the stream at once.

import { fetchPart } from "./session.js";
import { duration, text, ticking } from "./text.js";
import { refreshTimes } from "./times.js";

const PAUSE_MS = 500; // quick steps are one change; without an answer it tries again
const SHAPES = { completed: "✓", running: "●", pending: "◌" };

export class TaskFacts {
  constructor(panel) {
    this.panel = panel;
    this.root = panel.root;
    this.begun = new Map(); // number of a step → when its first line came
  }

  get place() {
    return this.root.querySelector('[data-part="facts"]');
  }

  update(task) {
    if (!this.place) return;
    this.task = task;
    this.draw();
    if (this.stand() !== this.place.dataset.stand) this.renewSoon();
  }

  // What they depend on; tasks/presenters/task.py says the same.
  stand() {
    const { status, step, attempt, progress } = this.task;
    return `${status} ${step.index} ${attempt} ${Math.floor(progress / 5)}`;
  }

  renewSoon() {
    this.timer ??= setTimeout(() => this.renew(), PAUSE_MS);
  }

  async renew() {
    this.timer = null;
    const part = await fetchPart(`/tasks/${this.root.dataset.task}/facts`);
    const fresh = part?.querySelector('[data-part="facts"]');
    if (!fresh) {
      this.renewSoon();
      return;
    }
    this.place.replaceWith(fresh);
    refreshTimes(this.place);
    this.draw(); // the task may have got further meanwhile
  }

  // --- The steps of a task that runs -------------------------------------------------

  draw() {
    if (this.task?.status !== "running") return;
    const { attempt, step } = this.task;
    if (attempt !== this.attempt || step.index < this.index) this.begun.clear();
    Object.assign(this, { attempt, index: step.index });
    const rows = [...this.place.querySelectorAll("tr[data-step]")];
    for (const row of rows) this.adopt(row);
    for (const row of rows) this.drawRow(row, Number(row.dataset.step));
  }

  // What the server knows of a step's beginning is exact.
  adopt(row) {
    const { runningSince } = timeOf(row).dataset;
    if (runningSince) this.begun.set(Number(row.dataset.step), Number(runningSince));
  }

  drawRow(row, number) {
    const isOver = number < this.index;
    const isNow = number === this.index;
    const mayFail = "mayFail" in row.dataset; // so nobody knows yet whether it has
    const state = isOver ? "completed" : isNow ? "running" : "pending";
    showState(row.querySelector(".status"), isOver && mayFail ? "" : state);
    row.querySelector('[data-part="step-exit"]').textContent = isOver && !mayFail ? "0" : "–";
    if (!isNow) row.querySelector("progress")?.remove();
    const time = timeOf(row);
    const since = this.begun.get(number);
    const until = this.begun.get(number + 1);
    if (!isNow) delete time.dataset.runningSince;
    if (isNow && since) time.dataset.runningSince = since;
    if (isOver && since && until) time.textContent = duration((until - since) / 1000);
  }

  // A line has come; the first one behind a change of step is the step's.
  line({ timestamp }) {
    if (!this.index || this.begun.has(this.index)) return;
    this.begun.set(this.index, Date.parse(timestamp));
    this.draw();
  }

  tick(now) {
    for (const place of this.root.querySelectorAll("[data-running-since]")) {
      place.textContent = ticking(Math.max(1000, now - Number(place.dataset.runningSince)));
    }
  }
}

function timeOf(row) {
  return row.querySelector('[data-part="step-time"]');
}

// state: "" for a step that is over, however it ended
function showState(badge, state) {
  if (badge.dataset.status === state) return;
  badge.dataset.status = state;
  badge.querySelector(".shape").textContent = SHAPES[state] ?? "–";
  badge.querySelector(".word").textContent = text(state || "finished");
}
