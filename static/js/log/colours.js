// Colours that a program lets run on over the ends of lines, as a terminal shows them.
// They are known as far back as lines are held without a gap, and no further.

import { openBehind, PLAIN } from "./ansi.js";

const NONE = { stdout: PLAIN, stderr: PLAIN };

export class Colours {
  // lines: get(seq); landmarks: steps, isStep(seq)
  constructor(lines, landmarks) {
    Object.assign(this, { lines, landmarks });
    this.forget();
  }

  // Lines have come where none were, or a step is known to begin: those below may begin
  // in other colours.
  forget() {
    this.steps = this.landmarks.steps.length;
    this.known = new WeakMap(); // line → what is open behind it
  }

  // The colours that a line begins in.
  before(seq) {
    if (this.steps !== this.landmarks.steps.length) this.forget();
    const line = this.lines.get(seq);
    return (line && this.behind(seq - 1)[line.level]) ?? PLAIN;
  }

  behind(seq) {
    const passed = [];
    let open = NONE;
    for (let at = seq; ; at--) {
      const line = this.lines.get(at);
      if (!line || this.landmarks.isStep(at)) break;
      if (this.known.has(line)) {
        open = this.known.get(line);
        break;
      }
      passed.push(line);
    }
    for (const line of passed.reverse()) {
      open = after(line, open);
      this.known.set(line, open);
    }
    return open;
  }
}

function after({ level, message }, open) {
  if (!(level in open)) return open; // the service's own
  const left = openBehind(message, open[level]);
  return left === open[level] ? open : { ...open, [level]: left };
}
