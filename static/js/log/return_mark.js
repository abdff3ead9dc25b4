// What has come since somebody was here the last time: said between the lines, above the
// first of them, and on a button that leads there.

import { counted, text } from "../text.js";
import { leave, leftAt } from "./visits.js";

export class ReturnMark {
  // view: total(), errors() (Ranges), goTo(seq)
  constructor(button, task, view) {
    Object.assign(this, { button, task, view });
    this.upto = view.total(); // what comes later comes before the reader's eyes
    const left = history.state?.log ? 0 : leftAt(task); // a reload is no return
    this.seq = left && left < this.upto ? left + 1 : 0; // of the first line that is new
    button.hidden = !this.seq;
    button.addEventListener("click", () => this.open());
    window.addEventListener("pagehide", () => this.keep());
    document.addEventListener("visibilitychange", () => this.keep());
    this.say();
  }

  say() {
    if (this.seq) this.button.textContent = `↑ ${this.words}`;
  }

  noteAt(seq) {
    return this.seq && seq === this.seq ? this.words : "";
  }

  get words() {
    const lines = counted("newLine", "newLines", this.upto - this.seq + 1);
    const errors = this.view.errors().countWithin(this.seq, this.upto);
    const news = errors ? `${lines} · ${counted("newError", "newErrors", errors)}` : lines;
    return text("sinceVisit", { news });
  }

  open() {
    this.button.hidden = true;
    this.view.goTo(this.seq);
  }

  // It has come into sight by itself.
  saw({ first, last }) {
    if (this.seq && first <= this.seq && this.seq <= last) this.button.hidden = true;
  }

  keep() {
    if (this.view.total()) leave(this.task, this.view.total());
  }
}
