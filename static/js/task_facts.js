// What a page says of a task beside its log: steps, times, reruns, result. The server
// writes it, and writes it anew when the task has got further.

import { fetchPart } from "./session.js";
import { ticking } from "./text.js";
import { refreshTimes } from "./times.js";

const PAUSE_MS = 500; // quick steps are one change; without an answer it tries again

export class TaskFacts {
  constructor(panel) {
    this.panel = panel;
    this.root = panel.root;
  }

  get place() {
    return this.root.querySelector('[data-part="facts"]');
  }

  update({ status, step, attempt, progress }) {
    const stand = `${status} ${step.index} ${attempt} ${Math.floor(progress / 5)}`;
    if (this.place && stand !== this.place.dataset.stand) this.renewSoon();
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
  }

  tick(now) {
    for (const place of this.root.querySelectorAll("[data-running-since]")) {
      place.textContent = ticking(now - Number(place.dataset.runningSince));
    }
  }
}
