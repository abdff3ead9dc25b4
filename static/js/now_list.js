// The rows of tasks that run or wait: told of each change, they show it in place. A
// task that comes or goes is left to the server's HTML.

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
    this.steps = JSON.parse(this.place.querySelector("#step-names")?.textContent ?? "{}");
  }

  // Whether the row shows all of it now.
  take(task) {
    const row = this.place.querySelector(`[data-row="${task.id}"]`);
    if (!row) return false;
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    part("progress").value = task.progress;
    part("percent").textContent = `${task.progress} %`;
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
    const since = (performance.now() - this.readAt) / 1000;
    for (const row of this.place.querySelectorAll("[data-row]")) {
      const elapsed = Math.max(1, Math.floor(Number(row.dataset.elapsed) + since));
      row.querySelector('[data-part="elapsed"]').textContent = spoken(elapsed);
      const usual = Number(row.dataset.usual);
      if (!usual) continue;
      const left = usual - elapsed;
      row.querySelector('[data-part="left"]').textContent =
        left > 0
          ? text("aboutLeft", { time: spoken(left) })
          : text("usually", { time: spoken(usual) });
    }
  }
}

// Whole seconds: tenths of a clock that runs would say more than is known.
function spoken(seconds) {
  return seconds < 10 ? text("seconds", { s: seconds }) : duration(seconds);
}

export function showConnection(place, lostSince) {
  place.textContent = lostSince ? text("lost", { time: clock(lostSince) }) : text("live");
  place.dataset.state = lostSince ? "lost" : "live";
}
