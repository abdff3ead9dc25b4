// The rows of tasks that run or wait: told of each change, they show it in place. A
// task that comes or goes is left to the server's HTML.

import { againstUsual, secondsLeft, showGauge } from "./gauge.js";
import { refreshSince } from "./since.js";
import { clock, duration, text } from "./text.js";

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
    showGauge(part, task, row.dataset.status);
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
      const elapsed = Math.max(1, Math.floor(Number(row.dataset.elapsed) + since));
      row.querySelector('[data-part="elapsed"]').textContent = spoken(elapsed);
      const usual = Number(row.dataset.usual);
      if (!usual) continue;
      row.querySelector('[data-part="against"]').textContent = againstUsual(
        elapsed * 1000,
        usual * 1000,
      );
      const left = secondsLeft(elapsed, usual, Number(row.dataset.progress));
      row.querySelector('[data-part="left"]').textContent =
        left === null
          ? text("usually", { time: spoken(usual) })
          : text("aboutLeft", { time: spoken(Math.max(1, Math.round(left))) });
      showLane(row.querySelector('[data-part="lane"]'), elapsed);
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

// Whole seconds: tenths of a clock that runs would say more than is known.
function spoken(seconds) {
  return seconds < 10 ? text("seconds", { s: seconds }) : duration(seconds);
}

// Since when the connection is lost, or the service can't read its database, if so.
export function showConnection(place, lostSince, outageSince = null) {
  const state = lostSince ? "lost" : outageSince ? "degraded" : "live";
  if (state === place.dataset.state) return;
  place.textContent = text(state, { time: clock(lostSince ?? outageSince ?? new Date()) });
  place.dataset.state = state;
}
