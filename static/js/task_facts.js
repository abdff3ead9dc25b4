// What a page says of a task beside its log: who started it, why it failed, its steps and
// their times, its result. The server writes it, and writes it anew when the task has got
// further; which step runs is drawn from the stream at once.

import { fetchPart } from "./session.js";
import { duration, number, text, ticking } from "./text.js";
import { refreshTimes } from "./times.js";

const PAUSE_MS = 500; // quick steps are one change; without an answer it tries again
const SHAPES = { completed: "✓", running: "●", pending: "◌" };
const PARTS = ["facts", "views", "approval", "card", "rail", "summary"];
// As in tasks/presenters/steps.py: of a bar, and beyond the slowest usual run.
const LEAST_PERCENT = 1;
const LEAST_SLOWER_MS = 1_000;

export class TaskFacts {
  // renewed(): there is other HTML
  constructor(panel, renewed = () => {}) {
    this.panel = panel;
    this.root = panel.root;
    this.renewed = renewed;
    this.begun = new Map(); // number of a step → when its first line came
  }

  get place() {
    return this.panel.part("facts");
  }

  update(task) {
    if (!this.place) return;
    this.task = task;
    this.draw();
    if (this.stand() === this.place.dataset.stand) return;
    if (this.panel.hasEnded) this.renewSoon(0);
    else this.renewSoon(PAUSE_MS);
  }

  // What they depend on; tasks/presenters/task.py says the same.
  stand() {
    const { status, step, attempt, progress, summaryBytes } = this.task;
    return `${status} ${step.index} ${attempt} ${Math.floor(progress / 5)} ${summaryBytes ?? 0}`;
  }

  renewSoon(ms) {
    this.timer ??= setTimeout(() => this.renew(), ms);
  }

  async renew() {
    this.timer = null;
    const fresh = await fetchPart(`/tasks/${this.root.dataset.task}/facts`);
    const stand = fresh?.querySelector('[data-part="facts"]')?.dataset.stand;
    if (stand === undefined) {
      this.renewSoon(PAUSE_MS);
      return;
    }
    for (const name of PARTS) {
      const part = fresh.querySelector(`[data-part="${name}"]`);
      if (part) swap(this.panel.part(name), part);
    }
    this.place.dataset.stand = stand;
    this.renewed();
    this.draw(); // the task may have got further meanwhile
  }

  // --- The steps of a task that runs -------------------------------------------------

  get rows() {
    return [...this.root.querySelectorAll(".steps [data-step]")];
  }

  draw() {
    if (this.task?.status !== "running") return;
    const { attempt, step } = this.task;
    if (attempt !== this.attempt || step.index < this.index) this.begun.clear();
    Object.assign(this, { attempt, index: step.index });
    for (const row of this.rows) this.adopt(row);
    for (const row of this.rows) this.drawRow(row, Number(row.dataset.step));
    this.drawBars(this.panel.now);
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
    showState(row, isOver && mayFail ? "" : state);
    const progress = isNow ? this.stepProgress() : 0;
    row.querySelector('[data-part="step-progress"]').textContent = progress ? `${progress} %` : "";
    const time = timeOf(row);
    const since = this.begun.get(number);
    const until = this.begun.get(number + 1);
    if (!isNow) delete time.dataset.runningSince;
    if (isNow && since) time.dataset.runningSince = since;
    if (isOver && since && until && row.dataset.weight !== "0") time.textContent = duration((until - since) / 1000);
  }

  // Of the step that runs: the task's, without what the steps before it weigh. The only
  // step's is the task's.
  stepProgress() {
    const weights = this.rows.map((row) => Number(row.dataset.weight));
    if (weights.length < 2) return 0;
    const sum = (some) => some.reduce((total, weight) => total + weight, 0);
    const done = sum(weights.slice(0, this.index - 1));
    const percent = (this.task.progress / 100) * sum(weights) - done;
    if (!weights[this.index - 1]) return 0; // it awaits an approval
    const share = (100 * percent) / weights[this.index - 1];
    return Math.max(0, Math.min(99, Math.round(share)));
  }

  // When each ran, over when it usually ends, and all on the time that such tasks usually
  // take, or that this one has taken; tasks/presenters/steps.py draws it so at first.
  drawBars(now) {
    const first = Math.min(...this.begun.values());
    now -= this.task.approvalMs; // in which nothing worked
    const steps = this.rows.map((row) => this.timesOf(row, now)).filter(Boolean);
    const ends = steps.map(({ since, usual }) => since - first + (usual?.slow ?? 0));
    const total = Math.max(now - first, this.panel.usual, ...ends);
    if (!(total > 0)) return;
    for (const { row, since, until, usual } of steps) {
      const percent = (moment) => (100 * (moment - first)) / total;
      place(row.querySelector(".spent"), percent(since), percent(until));
      if (!usual) continue;
      place(row.querySelector(".band"), percent(since + usual.fast), percent(since + usual.slow));
      const middle = row.querySelector(".median");
      middle.setAttribute("x", `${percent(since + usual.median).toFixed(2)}%`);
      middle.removeAttribute("display");
      sayHowSlow(row, until - since, usual);
    }
  }

  // Of a step that has begun, in milliseconds.
  timesOf(row, now) {
    if (row.dataset.weight === "0") return null; // to wait for people is no work
    const step = Number(row.dataset.step);
    const begun = this.begun.get(step);
    const ended = this.begun.get(step + 1);
    if (!begun || !(ended || step === this.index)) return null;
    const waited = this.isBehindApproval(step) ? this.task.approvalMs : 0;
    const since = begun - waited;
    const until = step === this.index ? now : ended - waited;
    const [fast, median, slow] = (row.dataset.usual ?? "").split(" ").map((s) => s * 1000);
    return { row, since, until, usual: slow === undefined ? null : { fast, median, slow } };
  }

  isBehindApproval(step) {
    return this.rows.some(({ dataset }) => dataset.weight === "0" && Number(dataset.step) < step);
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
    if (this.task?.status === "running") this.drawBars(now);
  }
}

function timeOf(row) {
  return row.querySelector('[data-part="step-time"]');
}

// state: "" for a step that is over, however it ended
function showState(row, state) {
  const badge = row.querySelector(".status");
  if (badge.dataset.status === state) return;
  row.dataset.status = badge.dataset.status = state;
  badge.querySelector(".shape").textContent = SHAPES[state] ?? "–";
  badge.querySelector(".word").textContent = text(state || "finished");
}

function place(bar, begin, end) {
  const width = Math.max(LEAST_PERCENT, end - begin);
  bar.setAttribute("x", `${Math.min(begin, 100 - width).toFixed(2)}%`);
  bar.setAttribute("width", `${width.toFixed(2)}%`);
}

// As tasks/presenters/steps.py has it.
function sayHowSlow(row, milliseconds, { median, slow }) {
  const isSlow = median > 0 && milliseconds >= slow + LEAST_SLOWER_MS;
  const percent = Math.round(100 * (milliseconds / median - 1));
  const words = isSlow ? text("slower", { share: `${number(percent)} %` }) : "";
  const note = row.querySelector('[data-part="step-slower"]');
  if (note.textContent !== words) note.textContent = words;
}

// Other HTML in a place that stays, with what was unfolded in it, and the focus.
function swap(place, fresh) {
  if (place.innerHTML === fresh.innerHTML) return; // nor is what is selected in it lost
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  for (const details of place.querySelectorAll("details[data-keep]")) {
    const same = fresh.querySelector(`[data-keep="${details.dataset.keep}"]`);
    if (same) same.open = details.open;
  }
  place.replaceChildren(...fresh.childNodes);
  refreshTimes(place);
  if (!focused) return;
  const others = [...place.querySelectorAll(focused.localName)];
  const isSame = (other) => other.href === focused.href && other.textContent === focused.textContent;
  others.find(isSame)?.focus({ preventScroll: true });
}
