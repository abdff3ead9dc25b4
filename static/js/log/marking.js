// The text that somebody marks, also where its rows have left the page: two points of
// the log, each a line and a place in its text. The browser shows as much of it as there
// are rows; what is copied is all of it.

import { plain } from "./ansi.js";
import { messagesBetween, MOST_COPIED } from "./clipboard.js";
import { nodeAt, pointAt, seqOf } from "./points.js";
import { DIRECTIONS } from "./row.js";

const END = Number.MAX_SAFE_INTEGER; // of any line

export class Marking {
  // view: rows (Ranges), lines, landmarks; changed(): something else is marked;
  // copied(): it was; copyFar(): somebody wants more than the page holds
  constructor(list, view, { changed, copied, copyFar }) {
    Object.assign(this, { list, view, changed, copied, copyFar });
    this.text = null; // {anchor, head}, each {seq, offset}
    this.drawn = null; // the same as the browser was told
    this.isAll = false;
    this.isPressed = this.isDragging = false; // the pointer, on a line
    list.addEventListener("pointerdown", () => this.press());
    window.addEventListener("pointerup", () => this.release());
    document.addEventListener("selectionchange", () => this.read());
    document.addEventListener("copy", (event) => this.copy(event));
  }

  // --- What is marked ----------------------------------------------------------------

  markAll() {
    const { rows } = this.view;
    if (!rows.count) return;
    this.text = { anchor: { seq: rows.at(0), offset: 0 }, head: { seq: END, offset: END } };
    this.isAll = true;
    this.draw();
    this.changed();
  }

  clear() {
    this.forget();
    getSelection().removeAllRanges();
  }

  forget() {
    if (!this.text) return;
    this.text = this.drawn = null;
    this.isAll = this.isDragging = false;
    this.changed();
  }

  // Where it begins and ends, in the order of lines.
  get span() {
    const { anchor, head } = this.text;
    const isForward = anchor.seq - head.seq || anchor.offset - head.offset;
    return isForward <= 0 ? { from: anchor, to: head } : { from: head, to: anchor };
  }

  // The rows that it touches, first and last.
  get places() {
    const { rows } = this.view;
    const { from, to } = this.span;
    const last = rows.indexOf(to.seq);
    return { first: rows.indexOf(from.seq), last: Math.min(rows.count - 1, last) };
  }

  get count() {
    const { first, last } = this.places;
    return last - first + 1;
  }

  // How much it is, where that is more than the rows that are there; null otherwise.
  get extent() {
    if (!this.text) return null;
    const { count, isAll } = this;
    return isAll || count > this.list.children.length ? { count, isAll } : null;
  }

  // --- The browser's selection -------------------------------------------------------

  // Somebody has marked something else; or rows have come or gone, which says nothing.
  read() {
    const now = getSelection();
    if (isSame(now, this.drawn)) return;
    const isMarked = !now.isCollapsed && this.list.contains(now.anchorNode);
    if (!isMarked && !this.isDragging) {
      this.forget();
      return;
    }
    const anchor = this.isAnchorKept(now)
      ? this.text.anchor
      : pointAt(this.list, now.anchorNode, now.anchorOffset);
    const head = pointAt(this.list, now.focusNode, now.focusOffset);
    if (!anchor || !head) return;
    this.text = { anchor, head };
    this.isAll = false;
    this.drawn = placesOf(now);
    this.isDragging = this.isPressed;
    this.draw();
    this.changed();
  }

  // Once the row where a drag began is gone, browsers begin anew where the pointer is.
  isAnchorKept({ anchorNode, anchorOffset }) {
    if (!this.text) return false;
    const { drawn } = this;
    const isSamePlace = drawn?.anchorNode === anchorNode && drawn.anchorOffset === anchorOffset;
    return this.isDragging || isSamePlace;
  }

  press() {
    this.isPressed = true;
    this.isDragging = false;
  }

  release() {
    this.isPressed = this.isDragging = false;
    if (this.text && isAt(this.text.anchor, this.text.head)) this.forget();
  }

  // Rows have come or gone: what is marked among them is shown so. Where all of it is
  // gone an empty selection stays, from which a pointer that is down can go on.
  draw() {
    if (!this.text || !this.list.childElementCount) return;
    const [anchor, head] = [this.nodeAt(this.text.anchor), this.nodeAt(this.text.head)];
    const selection = getSelection();
    const wanted = {
      anchorNode: anchor.node,
      anchorOffset: anchor.offset,
      focusNode: head.node,
      focusOffset: head.offset,
    };
    this.drawn = wanted;
    if (isSame(selection, wanted)) return;
    selection.setBaseAndExtent(anchor.node, anchor.offset, head.node, head.offset);
    this.drawn = placesOf(selection);
  }

  // A line that is not there stands where the next row begins, or where the last one ends.
  nodeAt({ seq, offset }) {
    const row = [...this.list.children].find((one) => seqOf(one) >= seq);
    if (!row) return nodeAt(this.list.lastElementChild, END);
    return nodeAt(row, seqOf(row) === seq ? offset : 0);
  }

  // --- Copying -----------------------------------------------------------------------

  copy(event) {
    if (!this.text || event.target.closest?.("input, textarea")) return;
    event.preventDefault();
    const words = this.heldText();
    if (words === null) {
      this.copyFar();
      return;
    }
    event.clipboardData.setData("text/plain", words);
    if (this.extent) this.copied();
  }

  // As long as the page holds all of it.
  heldText() {
    const { rows, lines } = this.view;
    const { first, last } = this.places;
    if (last - first >= MOST_COPIED) return null;
    const found = [];
    for (let row = first; row <= last; row++) {
      const line = lines.get(rows.at(row));
      if (!line) return null;
      found.push({ seq: line.seq, message: plain(line.message) });
    }
    return this.cut(found);
  }

  async fetchText(api) {
    const { rows, lines } = this.view;
    const { first, last } = this.places;
    const end = rows.at(Math.min(last, first + MOST_COPIED - 1));
    const found = await messagesBetween(api, rows.at(first), end, lines.filter);
    return found && this.cut(found.filter(({ seq }) => rows.has(seq)));
  }

  // Lines as text, without what is not marked of the first and the last.
  cut(lines) {
    const { from, to } = this.span;
    const words = lines.map(({ seq, message }) => {
      if (this.view.landmarks.isHeading(seq)) return message;
      const begin = seq === from.seq ? from.offset : 0;
      const end = seq === to.seq ? to.offset : END;
      if (!begin && end >= message.length) return message;
      return message.replaceAll(DIRECTIONS, "").slice(begin, end);
    });
    return words.join("\n") + (this.isAll ? "\n" : "");
  }
}

function isAt(one, other) {
  return one.seq === other.seq && one.offset === other.offset;
}

function placesOf({ anchorNode, anchorOffset, focusNode, focusOffset }) {
  return { anchorNode, anchorOffset, focusNode, focusOffset };
}

function isSame(selection, drawn) {
  return drawn !== null && Object.keys(drawn).every((name) => selection[name] === drawn[name]);
}
