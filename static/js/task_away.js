// What becomes of a task whose page nobody sees: such a page hears nothing, and asks now
// and then, so that the title of its tab and a notification can tell of the end.

import { get } from "./api.js";
import { ENDED } from "./status.js";

const ASK_MS = 10_000;

export class TaskAway {
  // ended(task) is called once
  constructor(api, ended) {
    this.api = api;
    this.ended = ended;
  }

  begin() {
    this.timer ??= setInterval(() => this.ask(), ASK_MS);
  }

  async ask() {
    const task = await get(`${this.api}/status`);
    if (!this.timer || !ENDED.has(task?.status)) return;
    this.stop();
    this.ended(task);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
  }
}
