// What a task waits for, asked again and again: its stream has nothing to say of others.

import { get } from "./api.js";
import { number, text } from "./text.js";

const ASK_MS = 3_000;
const WAITS = {
  turn: "waitsForTurn",
  lock: "waitsForLock",
  limit: "waitsForLimit",
  runner: "waitsForRunner",
};

export class TaskWait {
  // isWaiting(): whether there is anything to ask
  constructor(api, place, isWaiting) {
    Object.assign(this, { api, place, isWaiting });
    this.timer = setInterval(() => this.ask(), ASK_MS);
  }

  async ask() {
    if (!this.isWaiting() || document.hidden) return;
    const task = await get(`${this.api}/status`);
    if (task?.waitingFor && this.isWaiting()) this.show(task.waitingFor);
  }

  show({ reason, position, taskId }) {
    const wait = `${reason} ${position} ${taskId}`;
    if (wait === this.shown) return; // a link that is pointed at stays
    this.shown = wait;
    const [before, after = ""] = text(WAITS[reason]).split("{task}");
    const place =
      position === 1 ? text("nextInQueue") : text("inQueue", { n: number(position) });
    const link = taskId ? [linkTo(taskId)] : [];
    this.place.replaceChildren(before, ...link, `${after} · ${place}`);
  }

  // It runs: should it go back to the queue, everything is said anew.
  forget() {
    this.shown = null;
  }

  stop() {
    clearInterval(this.timer);
  }
}

function linkTo(taskId) {
  const link = document.createElement("a");
  link.className = "code";
  link.href = `/tasks/${taskId}`;
  link.textContent = taskId.slice(0, 8);
  return link;
}
