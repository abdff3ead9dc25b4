// The errors of a log, or its warnings: how many, and the way from one to the next.
// Those of the lines before the page was opened are asked of the server, others are seen
// as they come.

import { counted, number } from "../text.js";
import { Matches } from "./matches.js";

const NAMES = {
  error: { shape: "✕", words: ["oneError", "manyErrors"] },
  warning: { shape: "⚠", words: ["oneWarning", "manyWarnings"] },
};

export class Hops {
  // view: from(): {seq, isAtEnd} of the reader; open(seq); changed();
  // among(ranges): those of the lines found that count, which depends on them and on key()
  constructor(level, part, api, view) {
    Object.assign(this, { level, view });
    this.part = (name) => part(`${level}-${name}`);
    this.current = null; // seq
    this.live = []; // seqs that came while the server was asked
    this.stored = new Matches(api, `level=${level}`, () => view.changed());
    this.part("previous").addEventListener("click", () => this.step(-1));
    this.part("next").addEventListener("click", () => this.step(1));
  }

  take({ level, seq }) {
    if (level === this.level) this.live.push(seq);
  }

  get ranges() {
    const { stored } = this;
    if (stored.isDone) {
      for (const seq of this.live) if (seq > stored.through) stored.ranges.add(seq, seq);
      this.live = [];
    }
    const key = `${stored.count} ${this.view.key()}`;
    if (key !== this.key) {
      this.key = key;
      this.found = this.view.among(stored.ranges);
    }
    return this.found;
  }

  show() {
    const { shape, words } = NAMES[this.level];
    const { count } = this.ranges;
    const more = this.stored.isDone && !this.stored.isCut ? "" : "…";
    const said = `${shape} ${number(count)}${more}`;
    this.part("hops").hidden = !count;
    if (this.part("count").textContent === said) return;
    this.part("count").textContent = said;
    this.part("words").textContent = counted(...words, count);
  }

  step(direction) {
    const { ranges } = this;
    if (!ranges.count) return;
    const { seq, isAtEnd } = this.view.from();
    const from = this.current ?? (isAtEnd ? 0 : seq - 1);
    this.current = direction < 0 ? ranges.before(from) : ranges.after(from);
    this.view.open(this.current);
  }
}
