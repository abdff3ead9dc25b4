// Numbers of lines in rising order, kept as ranges: a million neighbours are one.

export class Ranges {
  from = [];
  to = [];
  passed = []; // how many lines the ranges before this one hold

  static all(count) {
    const ranges = new Ranges();
    if (count) ranges.add(1, count);
    return ranges;
  }

  get count() {
    const last = this.from.length - 1;
    return last < 0 ? 0 : this.passed[last] + this.to[last] - this.from[last] + 1;
  }

  // Behind all others, or as the last one's continuation.
  add(from, to) {
    const last = this.from.length - 1;
    if (last >= 0 && from <= this.to[last] + 1) {
      this.to[last] = Math.max(this.to[last], to);
      return;
    }
    this.passed.push(this.count);
    this.from.push(from);
    this.to.push(to);
  }

  at(index) {
    const range = lastAtMost(this.passed, index);
    return this.from[range] + index - this.passed[range];
  }

  // The place of a line, or that of the first one behind it.
  indexOf(seq) {
    const range = lastAtMost(this.from, seq);
    if (range < 0) return 0;
    return this.passed[range] + Math.min(seq, this.to[range] + 1) - this.from[range];
  }

  has(seq) {
    const range = lastAtMost(this.from, seq);
    return range >= 0 && seq <= this.to[range];
  }

  // The nearest line behind or before one; round the end, if need be.
  after(seq) {
    const place = this.indexOf(seq + 1);
    return this.at(place < this.count ? place : 0);
  }

  before(seq) {
    return this.at((this.indexOf(seq) || this.count) - 1);
  }

  // How many there are from here to there.
  countWithin(from, to) {
    return Math.max(0, this.indexOf(to + 1) - this.indexOf(from));
  }

  // Whether there is one from here to there.
  hasWithin(from, to) {
    const range = lastAtMost(this.from, to);
    return range >= 0 && this.to[range] >= from;
  }

  // These, and one more line.
  with(seq) {
    const more = new Ranges();
    const place = lastAtMost(this.from, seq) + 1;
    this.from.slice(0, place).forEach((from, range) => more.add(from, this.to[range]));
    more.add(seq, seq);
    this.from.slice(place).forEach((from, range) => more.add(from, this.to[place + range]));
    return more;
  }

  // What is left without these [from, to], which rise and don't overlap.
  without(holes) {
    if (!holes.length) return this;
    const left = new Ranges();
    let hole = 0;
    for (let range = 0; range < this.from.length; range++) {
      let from = this.from[range];
      const to = this.to[range];
      while (hole < holes.length && holes[hole][1] < from) hole++;
      for (let at = hole; at < holes.length && holes[at][0] <= to; at++) {
        if (holes[at][0] > from) left.add(from, holes[at][0] - 1);
        from = Math.max(from, holes[at][1] + 1);
      }
      if (from <= to) left.add(from, to);
    }
    return left;
  }
}

// The index of the last of some rising numbers that is not above a value; -1 if none.
export function lastAtMost(numbers, value) {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
