// The lines that the server finds for a text and a level: all of them, however long the
// log, in answers that each come in a moment; and those that follow while it grows.

import { get } from "../api.js";
import { spread } from "../retry.js";
import { Ranges } from "./ranges.js";

const MOST_RANGES = 200_000;
const GROWTH_MS = 1_000;
const RETRY_MS = 2_000;

export class Matches {
  // query: of the URL; changed(): more is known
  constructor(api, query, changed) {
    this.api = api;
    this.query = query;
    this.changed = changed;
    this.ranges = new Ranges();
    this.through = 0;
    this.isDone = false; // up to the end of the log as it was
    this.abort = new AbortController();
    this.look();
  }

  get count() {
    return this.ranges.count;
  }

  // Whether it is known if a line is among them.
  knows(seq) {
    return this.isDone || seq <= this.through;
  }

  get isCut() {
    return this.ranges.from.length >= MOST_RANGES;
  }

  async look() {
    clearTimeout(this.timer);
    const path = `${this.api}/logs/matches?${this.query}&after=${this.through}`;
    const answer = await get(path, { signal: this.abort.signal });
    if (this.abort.signal.aborted) return;
    if (!answer) {
      this.timer = setTimeout(() => this.look(), spread(RETRY_MS));
      return;
    }
    for (const [from, to] of answer.ranges) this.ranges.add(from, to);
    this.through = answer.through;
    this.isDone = answer.next === null || this.isCut;
    this.timer = null;
    this.changed();
    if (!this.isDone) this.look();
  }

  // The log has more lines now.
  grow(total) {
    if (!this.isDone || this.isCut || this.timer || total <= this.through) return;
    this.timer = setTimeout(() => this.look(), GROWTH_MS);
  }

  close() {
    this.abort.abort();
    clearTimeout(this.timer);
  }
}
