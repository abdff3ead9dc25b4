// The rows of tasks that run or wait: told of each change, they show it in place. A
// task that comes or goes is left to the server's HTML.

import { againstUsual, showGauge, timeLeft } from "./gauge.js";
import { refreshSince } from "./since.js";
import { text, ticking } from "./text.js";

export class NowList {
  constructor(place) {
    this.place = place;
    this.isLive = true;
    this.read();
    place.addEventListener("swapped", () => this.read());
    setInterval(() => this.tick(), 1000);
  }

  read() {
    this.readAt = performance.now();
    // What the clocks of server and browser differ by.
    this.skew = Number(this.place.querySelector("[data-now]").dataset.now) * 1000 - Date.now();
    this.steps = JSON.parse(this.place.querySelector("#step-names")?.textContent ?? "{}");
    refreshSince(this.place, Date.now() + this.skew);
    this.tick();
  }

  // Whether the row shows all of it now.
  take(task) {
    const row = this.place.querySelector(`[data-row="${task.id}"]`);
    if (!row) return false;
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    showGauge(part, task);
    row.dataset.progress = task.progress;
    const step = part("step");
    if (step && task.step.index) {
      const { index: k, count: n, name } = task.step;
      step.textContent = text("stepOf", { k, n, name: this.steps[name] ?? name });
    }
    return (
      task.status === "running" &&
      row.dataset.status === "running" &&
      Boolean(step) &&
      row.dataset.attempt === String(task.attempt) &&
      Boolean(task.cancelRequestedAt) === Boolean(part("cancelling")) &&
      (Boolean(task.stalledSince) === Boolean(part("stalled")) || Boolean(task.cancelRequestedAt))
    );
  }

  // A clock that goes on while nothing is heard would say what nobody knows.
  tick() {
    if (!this.isLive || document.hidden) return;
    refreshSince(this.place, Date.now() + this.skew);
    const since = (performance.now() - this.readAt) / 1000;
    for (const row of this.place.querySelectorAll("[data-row]")) {
      const part = (name) => row.querySelector(`[data-part="${name}"]`);
      const elapsed = 1000 * Math.max(1, Number(row.dataset.elapsed) + since);
      const usual = 1000 * Number(row.dataset.usual);
      part("elapsed").textContent = ticking(elapsed);
      if (!usual) continue;
      part("against").textContent = againstUsual(elapsed, usual);
      part("left").textContent = timeLeft(elapsed, usual, Number(row.dataset.progress));
      showLane(part("lane"), elapsed / 1000);
    }
  }
}

// The time spent, over the band of what is usual; beyond that the scale ends.
function showLane(lane, elapsed) {
  if (!lane) return;
  const share = Math.min(1, elapsed / Number(lane.dataset.scale));
  lane.querySelector(".spent").setAttribute("width", `${(100 * share).toFixed(2)}%`);
  lane.toggleAttribute("data-over", share === 1);
}
