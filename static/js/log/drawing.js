// The elements of rows: each is drawn once, and again when something that it depends on
// is another.

import { rowOf } from "./row.js";

export class Drawing {
  // look(): {times, started, needle, current, isChosen(seq)} of all rows, as it is now
  constructor(list, { lines, landmarks, folds, look }) {
    Object.assign(this, { list, lines, landmarks, folds, look });
    this.drawn = new Map(); // seq → what it was drawn from, and its element
    this.generation = 0; // of what all rows depend on
    this.wholes = new Set(); // long lines that are shown to their end
  }

  draw(seq) {
    const { times, started, needle, current, isChosen } = this.look();
    const line = this.lines.get(seq);
    const previous = times === "previous" ? this.lines.get(seq - 1) : undefined;
    const kept = this.drawn.get(seq);
    const isSame = kept && kept.line === line && kept.previous === previous;
    if (isSame && kept.generation === this.generation) return kept.element;
    const element = rowOf(seq, line, {
      times,
      started,
      previous,
      needle,
      isWhole: this.wholes.has(seq),
      group: this.folds.headAt(seq),
      isInGroup: Boolean(this.landmarks.groupAt(seq)),
    });
    element.classList.toggle("chosen", isChosen(seq));
    element.classList.toggle("current", seq === current);
    this.drawn.set(seq, { line, previous, generation: this.generation, element });
    return element;
  }

  // Something that all rows depend on is another.
  outdate() {
    this.generation += 1;
  }

  // Forget the rows that have left the list.
  dropGone() {
    for (const [seq, { element }] of this.drawn) {
      if (!element.isConnected) this.drawn.delete(seq);
    }
  }
}
