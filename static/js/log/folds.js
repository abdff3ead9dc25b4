// Groups that are folded: their lines are no rows.

export class Folds {
  constructor(landmarks) {
    this.landmarks = landmarks;
    this.folded = new Set(); // seqs of heads
  }

  get areAll() {
    const { groups } = this.landmarks;
    return groups.size > 0 && this.folded.size >= groups.size;
  }

  // Null for a line that heads no group.
  headAt(seq) {
    const group = this.landmarks.groups.get(seq);
    if (!group) return null;
    const lines = Number.isFinite(group.end) ? group.end - seq - 1 : 0;
    return { isFolded: this.folded.has(seq), lines };
  }

  // [from, to] of lines that are hidden: rising, none within another.
  holes(total) {
    const holes = [];
    for (const head of [...this.folded].sort((one, other) => one - other)) {
      const group = this.landmarks.groups.get(head);
      const isInside = holes.length && head <= holes.at(-1)[1];
      if (group && !isInside) holes.push([head + 1, Math.min(group.end, total)]);
    }
    return holes.filter(([from, to]) => from <= to);
  }

  toggle(seq) {
    if (!this.folded.delete(seq)) this.folded.add(seq);
  }

  toggleAll() {
    this.folded = new Set(this.areAll ? [] : this.landmarks.groups.keys());
  }

  // Unfolds what a line is in; says whether that was anything.
  reveal(seq) {
    let hasUnfolded = false;
    for (let group = this.landmarks.groupAt(seq); group; group = group.parent) {
      hasUnfolded = this.folded.delete(group.seq) || hasUnfolded;
    }
    return hasUnfolded;
  }
}
