// How many warnings a log has, and the way from one to the next: those of the lines
// before the page was opened are asked of the server, others are seen as they come.

import { counted } from "../text.js";
import { Matches } from "./matches.js";

export class Warnings {
  // view: from(): {seq, isAtEnd} of the reader; open(seq)
  constructor(part, api, view) {
    Object.assign(this, { part, view });
    this.current = null; // seq
    this.live = []; // seqs that came while the server was asked
    this.stored = new Matches(api, "level=warning", () => this.found());
    part("warning-previous").addEventListener("click", () => this.step(-1));
    part("warning-next").addEventListener("click", () => this.step(1));
  }

  take({ level, seq }) {
    if (level !== "warning") return;
    this.live.push(seq);
    this.found();
  }

  found() {
    const { stored, part } = this;
    if (stored.isDone) {
      for (const seq of this.live) if (seq > stored.through) stored.ranges.add(seq, seq);
      this.live = [];
    }
    part("warnings").hidden = !stored.count;
    const said = counted("oneWarning", "manyWarnings", stored.count);
    part("warning-count").textContent = `⚠ ${said}${stored.isDone && !stored.isCut ? "" : "…"}`;
  }

  step(direction) {
    if (!this.stored.count) return;
    const { seq, isAtEnd } = this.view.from();
    const from = this.current ?? (isAtEnd ? 0 : seq - 1);
    this.current = direction < 0 ? this.stored.previous(from) : this.stored.next(from);
    this.view.open(this.current);
  }
}
