// The console's tab, for somebody who looks elsewhere: how many tasks run, and how many
// have failed since they looked here. A page that nobody sees hears nothing, so it asks.

import { get } from "./api.js";
import { showIcon } from "./favicon.js";
import { number, text } from "./text.js";

const ASK_MS = 20_000;

export class ConsoleTab {
  failed = 0; // unseen
  failedBefore = null;

  // place: where the tasks that run are listed
  constructor(place) {
    this.place = place;
    this.title = document.title;
    const isListed = { childList: true, subtree: true };
    new MutationObserver(() => document.hidden || this.count()).observe(place, isListed);
    document.addEventListener("visibilitychange", () => this.look());
    this.count();
  }

  look() {
    clearInterval(this.timer);
    this.failedBefore = null;
    if (document.hidden) {
      this.timer = setInterval(() => this.ask(), ASK_MS);
      this.ask();
    } else this.count();
  }

  count() {
    this.failed = 0;
    this.show(this.place.querySelectorAll('[data-row][data-status="running"]').length);
  }

  async ask() {
    const counts = await Promise.all(["running", "failed"].map(countOf));
    if (!document.hidden || counts.includes(undefined)) return;
    const [running, failed] = counts;
    this.failedBefore ??= failed;
    this.failed = Math.max(0, failed - this.failedBefore);
    this.show(running);
  }

  show(running) {
    const words = [
      this.failed && text("failedTasks", { n: number(this.failed) }),
      running && text("runningTasks", { n: number(running) }),
      this.title,
    ];
    document.title = words.filter(Boolean).join(" · ");
    showIcon(this.failed ? "alert" : running ? "busy" : "");
  }
}

// How many tasks have a status; undefined where nobody answers.
async function countOf(status) {
  return (await get(`/api/tasks?status=${status}&limit=1`))?.count;
}
