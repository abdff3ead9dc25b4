// A window of rows, in a scroll bar that stands for all of them.
//
// The list lies in a space as high as all rows would be if each were a plain one, and
// holds only those around the reader. Scrolling within the window is the browser's
// own; near the window's edge it is filled anew around the row at the top, which stays
// where it is. Wrapped rows are higher than plain ones, and a space can't be as high as
// one likes: so the bar's position is brought to what it stands for when it rests.

import { lastAtMost } from "./ranges.js";

const ROW_PX = 20; // as in css/log/lines.css
const TALLEST_PX = 16_000_000; // Chromium ends at 33 million, Firefox at 17
const MORE_ROWS = 40; // above and below what is seen
const AT_END_PX = 24;
const REST_MS = 150;

export class Scroller {
  // count(): how many rows; draw(row): its element; drawn(): the window is another;
  // moved(): the reader has scrolled
  constructor({ frame, space, list }, { count, draw, drawn, moved }) {
    Object.assign(this, { frame, space, list, count, draw, drawn, moved });
    this.first = this.last = 0; // the window: rows from first to before last
    this.tops = []; // of its rows in the list, as they were when it was filled
    this.y = 0; // the list's top in the space
    this.at = 0; // the frame's position, as far as known here
    this.size = this.height = 0; // of the list and of the space
    this.seen = frame.clientHeight;
    frame.addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  get isAtEnd() {
    return this.last >= this.count() && this.at + this.seen >= this.height - AT_END_PX;
  }

  // The row at the top, and where its top is from the frame's.
  get anchor() {
    const top = this.at - this.y;
    const place = this.placeAt(top);
    const offset = (this.tops[place] ?? 0) - top;
    return { row: this.first + place, offset };
  }

  // The rows at the frame's top and at its bottom.
  get edges() {
    const top = this.at - this.y;
    const [first, last] = [top, top + this.seen - 1].map((y) => this.first + this.placeAt(y));
    return { top: first, bottom: last };
  }

  // Which of the list's rows is so far down in it. It is asked in every frame, and the
  // page itself would have to be laid out for the answer.
  placeAt(y) {
    return Math.max(0, lastAtMost(this.tops, y));
  }

  isInSight(row) {
    const element = row >= this.first && row < this.last && this.list.children[row - this.first];
    if (!element) return false;
    const top = this.y + element.offsetTop - this.at;
    return top >= 0 && top + element.offsetHeight <= this.seen;
  }

  resized() {
    this.seen = this.frame.clientHeight;
    this.at = this.frame.scrollTop;
  }

  // Brings a row to a place from the frame's top.
  show(row, offset = 0) {
    const top = this.fill(row) - offset;
    this.settle(this.ideal(row, offset), top);
  }

  showCentred(row) {
    this.show(row, Math.max(0, Math.floor(this.seen / 2) - ROW_PX));
  }

  showEnd() {
    this.fill(this.count() - 1);
    this.settle(Infinity, this.size - this.seen);
  }

  // Brings a row into sight by the shortest way.
  showNear(row) {
    if (this.isInSight(row)) return;
    const isAbove = row <= this.anchor.row;
    const top = this.fill(row);
    const element = this.list.children[row - this.first];
    const offset = isAbove ? 0 : Math.max(0, this.seen - element.offsetHeight);
    this.settle(this.ideal(row, offset), top - offset);
  }

  // The first and the last row that are in sight as a whole, or else the one at the top.
  get inSight() {
    const { row } = this.anchor;
    let first = row;
    while (first + 1 < this.last && !this.isInSight(first)) first++;
    if (!this.isInSight(first)) return { first: row, last: row };
    let last = first;
    while (this.isInSight(last + 1)) last++;
    return { first, last };
  }

  // Fills the window anew; what is at the top stays there, and so does the bar, which
  // may be on its way: setting it would stop it.
  refresh({ row, offset } = this.anchor) {
    this.hang(this.at - (this.fill(row) - offset));
    this.restSoon();
  }

  // Rows were added behind the window.
  lengthen() {
    this.setHeight(this.plainHeight);
  }

  scrolled() {
    const at = this.frame.scrollTop;
    if (at === this.at) return; // our own doing
    // The browser's, for a frame of another height; resized() follows.
    if (this.frame.clientHeight !== this.seen) return;
    this.at = at;
    const top = at - this.y;
    if (top + this.seen <= 0 || top >= this.size) this.jump();
    else if (this.isNearEdge(top)) this.refresh();
    if (this.hasRunOut()) this.rest();
    this.restSoon();
    this.moved();
  }

  isNearEdge(top) {
    const isAbove = top < this.seen / 2 && this.first > 0;
    return isAbove || (top + this.seen * 1.5 > this.size && this.last < this.count());
  }

  // Whether the bar is at an end and the rows are not, or the other way round.
  hasRunOut() {
    const top = this.at - this.y;
    const isAtTop = this.first === 0 && top <= 0;
    const isAtEnd = this.last >= this.count() && top + this.seen >= this.size;
    return this.at <= 0 !== isAtTop || this.at + this.seen >= this.height - 1 !== isAtEnd;
  }

  jump() {
    if (this.at + this.seen >= this.height - 1) {
      this.showEnd();
      return;
    }
    const plain = this.at / this.scale;
    const row = Math.min(Math.floor(plain / ROW_PX), this.count() - 1);
    this.refresh({ row, offset: row * ROW_PX - plain });
  }

  restSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.rest(), REST_MS);
  }

  // The bar comes to where what is seen belongs.
  rest() {
    const { row, offset } = this.anchor;
    this.settle(this.ideal(row, offset), this.at - this.y);
  }

  // `bar`: where that may be; `top`: what of the list is at the frame's top.
  settle(bar, top) {
    this.setHeight(this.plainHeight);
    let y = Math.min(bar, this.height - this.seen) - top;
    if (this.last >= this.count()) y = this.height - this.size;
    else y = Math.min(y, this.height - this.size);
    if (this.first === 0) y = 0;
    else y = Math.max(y, 0);
    const wanted = Math.max(0, Math.min(y + top, this.height - this.seen));
    if (Math.abs(wanted - this.at) >= 1) {
      this.frame.scrollTop = wanted;
      this.at = this.frame.scrollTop;
      // The browser rounds; within the list nothing may move.
      if (this.first > 0 && this.last < this.count()) y = this.at - top;
    }
    this.moveTo(y);
  }

  // Puts the list somewhere, and ends the space with it if that holds the last row.
  hang(y) {
    const end = y + this.size;
    const isLast = this.last >= this.count();
    this.setHeight(isLast ? end : Math.max(this.plainHeight, end));
    this.moveTo(y);
  }

  moveTo(y) {
    if (y === this.y) return;
    this.y = y;
    this.list.style.top = `${y}px`;
  }

  ideal(row, offset) {
    return (row * ROW_PX - offset) * this.scale;
  }

  // What a pixel of plain rows is on the bar.
  get scale() {
    const plain = this.count() * ROW_PX - this.seen;
    return plain > 0 ? Math.max(0, this.plainHeight - this.seen) / plain : 1;
  }

  // The space's, where nothing has been brought out of place.
  get plainHeight() {
    const isWhole = this.first === 0 && this.last >= this.count();
    const plain = Math.min(this.count() * ROW_PX, TALLEST_PX);
    return isWhole ? this.size : Math.max(plain, this.size);
  }

  setHeight(height) {
    if (height === this.height) return;
    this.height = height;
    this.space.style.height = `${height}px`;
  }

  // Puts the rows around one into the list, moving none that is there already; returns
  // where that one is in the list.
  fill(row) {
    const count = this.count();
    const inside = Math.max(0, Math.min(row, count - 1));
    const rows = Math.ceil(this.seen / ROW_PX);
    this.first = Math.max(0, Math.min(inside, count - rows) - MORE_ROWS);
    this.last = Math.min(count, inside + rows + MORE_ROWS);
    const wanted = [];
    for (let at = this.first; at < this.last; at++) wanted.push(this.draw(at));
    const kept = new Set(wanted);
    for (const old of [...this.list.children]) if (!kept.has(old)) old.remove();
    let next = this.list.firstElementChild;
    for (const element of wanted) {
      if (element === next) next = next.nextElementSibling;
      else this.list.insertBefore(element, next);
    }
    this.drawn();
    this.size = this.list.offsetHeight;
    this.tops = wanted.map((element) => element.offsetTop);
    return this.tops[inside - this.first] ?? 0;
  }
}
