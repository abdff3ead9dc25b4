// Steps and groups that are folded: their lines are no rows.

export class Folds {
  constructor(landmarks) {
    this.landmarks = landmarks;
    this.folded = new Set(); // seqs of heads
    this.isOver = false; // the last line is the service's own, and in no step
  }

  get kinds() {
    return { groups: this.landmarks.groups, steps: this.landmarks.firsts };
  }

  // Whether all groups are folded, or all steps.
  areAll(kind) {
    const heads = this.kinds[kind];
    if (!heads.size || this.folded.size < heads.size) return false;
    return [...heads.keys()].every((seq) => this.folded.has(seq));
  }

  // Null for a line that heads nothing.
  headAt(seq) {
    const part = this.partAt(seq);
    if (!part) return null;
    const lines = Number.isFinite(part.end) ? part.end - seq : 0;
    const isGroup = this.landmarks.groups.has(seq);
    return { isFolded: this.folded.has(seq), lines: isGroup ? lines - 1 : lines };
  }

  partAt(seq) {
    return this.landmarks.groups.get(seq) ?? this.landmarks.firsts.get(seq);
  }

  // [from, to] of lines that are hidden: rising, none within another.
  holes(total) {
    const last = this.isOver ? total - 1 : total;
    const holes = [];
    for (const head of [...this.folded].sort((one, other) => one - other)) {
      const part = this.partAt(head);
      const isInside = holes.length && head <= holes.at(-1)[1];
      if (part && !isInside) holes.push([head + 1, Math.min(part.end, last)]);
    }
    return holes.filter(([from, to]) => from <= to);
  }

  toggle(seq) {
    if (!this.folded.delete(seq)) this.folded.add(seq);
  }

  // All of a kind; the others stay as they are.
  toggleAll(kind) {
    const areAll = this.areAll(kind);
    for (const seq of this.kinds[kind].keys()) {
      if (areAll) this.folded.delete(seq);
      else this.folded.add(seq);
    }
  }

  // Unfolds what a line is in; says whether that was anything.
  reveal(seq) {
    const step = this.landmarks.stepAt(seq - 1);
    let hasUnfolded = step !== null && seq <= step.end && this.folded.delete(step.seq);
    for (let group = this.landmarks.groupAt(seq); group; group = group.parent) {
      hasUnfolded = this.folded.delete(group.seq) || hasUnfolded;
    }
    return hasUnfolded;
  }
}
