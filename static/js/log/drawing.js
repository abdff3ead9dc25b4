// The elements of rows: each is drawn once, and again when something that it depends on
// is another.

import { Colours } from "./colours.js";
import { rowOf } from "./row.js";

export class Drawing {
  // look(): {times, started, needle, current, isChosen(seq), noteAt(seq)} of all rows, as
  // it is now
  constructor(list, { lines, landmarks, folds, look }) {
    Object.assign(this, { list, lines, landmarks, folds, look });
    this.colours = new Colours(lines, landmarks);
    this.drawn = new Map(); // seq → what it was drawn from, and its element
    this.generation = 0; // of what all rows depend on
    this.wholes = new Set(); // long lines that are shown to their end
  }

  draw(seq) {
    const { times, started, needle, current, isChosen, noteAt } = this.look();
    const line = this.lines.get(seq);
    const previous = times === "previous" ? this.lines.get(seq - 1) : undefined;
    const open = this.colours.before(seq);
    const from = { line, previous, open, generation: this.generation };
    const kept = this.drawn.get(seq);
    if (kept && Object.keys(from).every((name) => kept[name] === from[name])) return kept.element;
    const element = rowOf(seq, line, {
      times,
      started,
      previous,
      open,
      needle,
      isWhole: this.wholes.has(seq),
      head: this.folds.headAt(seq),
      isInGroup: Boolean(this.landmarks.groupAt(seq)),
      step: this.landmarks.firsts.get(seq),
      note: noteAt(seq),
    });
    element.classList.toggle("chosen", isChosen(seq));
    element.classList.toggle("current", seq === current);
    this.drawn.set(seq, { ...from, element });
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
