// For how long a task has printed nothing, beside the longest that its step was silent
// in tasks before it.

import { ticking } from "./text.js";

const SAID_FROM_MS = 30_000;

export class TaskSilence {
  // newest: the last line that is known, if any; times are the server's
  constructor(newest, now) {
    this.since = newest ? Date.parse(newest.timestamp) : now;
    this.step = "";
    this.usual = JSON.parse(document.getElementById("usual-silences")?.textContent ?? "{}");
  }

  // One has come.
  line(now) {
    this.since = now;
  }

  // So long nobody could hear the task.
  skip(milliseconds) {
    this.since += milliseconds;
  }

  // The line that says that a step is silent doesn't end its silence, nor does what is
  // no line: progress ends only what is called a stall.
  update({ step, stalledSince }) {
    this.step = step.name;
    if (stalledSince) this.since = Math.min(this.since, Date.parse(stalledSince));
  }

  // What to say of it; null while that is nothing.
  at(now) {
    const silence = now - this.since;
    if (silence < SAID_FROM_MS) return null;
    const time = ticking(silence);
    const seconds = this.usual[this.step];
    if (seconds === undefined) return { key: "silent", values: { time } };
    const usual = ticking(Math.max(1, Math.ceil(seconds)) * 1000);
    return { key: "silentUsually", values: { time, usual } };
  }
}
