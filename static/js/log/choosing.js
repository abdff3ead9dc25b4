// Lines chosen by keyboard, while the focus is in the log: the arrows move the chosen
// line, with Shift they lengthen the range, and Ctrl-A marks the whole log.

const STEPS = { ArrowUp: -1, ArrowDown: 1 };

export class Choosing {
  // view: rows (Ranges), chosen, marking, reader, scroller
  constructor(frame, view) {
    this.view = view;
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const { chosen, marking } = this.view;
    if (isForAll(event)) {
      event.preventDefault();
      marking.markAll();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS && this.view.rows.count) this.step(STEPS[event.key], event.shiftKey);
    else if (event.key === "Escape" && marking.text) marking.clear();
    else if (event.key === "Escape" && chosen.lines) chosen.choose(null);
    else return;
    event.preventDefault();
  }

  step(direction, isLonger) {
    const { rows, chosen, reader, scroller } = this.view;
    const row = this.rowAfter(direction);
    reader.leave();
    reader.following = false;
    chosen.move(rows.at(row), { isLonger });
    scroller.showNear(row);
  }

  // Of rows that are shown. Where no line is chosen it begins with what is in sight.
  rowAfter(direction) {
    const { rows, chosen, scroller } = this.view;
    if (!chosen.lines) {
      const { first, last } = scroller.inSight;
      return direction > 0 ? first : last;
    }
    const row = rows.indexOf(chosen.head);
    const isShown = rows.has(chosen.head);
    const next = direction > 0 && !isShown ? row : row + direction;
    return Math.max(0, Math.min(next, rows.count - 1));
  }
}

function isForAll(event) {
  return (event.ctrlKey || event.metaKey) && !event.altKey && event.key === "a";
}
