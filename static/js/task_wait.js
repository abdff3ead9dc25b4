// What a task waits for, asked again and again: its stream has nothing to say of others.

import { fetchPart } from "./session.js";

const ASK_MS = 3_000;

export class TaskWait {
  // isWaiting(): whether there is anything to ask
  constructor(taskId, place, isWaiting) {
    Object.assign(this, { path: `/tasks/${taskId}/why`, place, isWaiting });
    this.timer = setInterval(() => this.ask(), ASK_MS);
  }

  async ask() {
    if (!this.isWaiting() || document.hidden) return;
    const why = (await fetchPart(this.path))?.body;
    if (why?.textContent && this.isWaiting()) this.show(why);
  }

  show(why) {
    if (why.innerHTML === this.shown) return; // a link that is pointed at stays
    this.shown = why.innerHTML;
    this.place.replaceChildren(...why.childNodes);
  }

  // It runs: should it go back to the queue, everything is said anew.
  forget() {
    this.shown = null;
  }

  stop() {
    clearInterval(this.timer);
  }
}
