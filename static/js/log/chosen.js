// The lines that somebody has chosen: in the address, and marked.

import { announce } from "../announce.js";
import { number, text } from "../text.js";
import { plain } from "./ansi.js";
import { hashOf, linesOf } from "./permalink.js";

const REST_MS = 150; // browsers refuse an address that changes with each key
const LONGEST_SAID = 200; // characters of a line
const LINE_TRIES = 20; // for a line that is still on its way from the server: 3 s

export class Chosen {
  // changed(): others are chosen; opened(lines): a link to them was followed
  // lineAt(seq): its message, if it is there
  constructor({ changed, opened, lineAt }) {
    this.lineAt = lineAt;
    this.changed = changed;
    this.take(linesOf(location.hash));
    const follow = () => {
      const lines = linesOf(location.hash);
      clearTimeout(this.timer);
      if (lines && hashOf(lines) === (this.lines && hashOf(this.lines))) return;
      this.take(lines);
      this.changed();
      if (lines) opened(lines);
    };
    window.addEventListener("hashchange", follow);
    window.addEventListener("popstate", follow);
  }

  has(seq) {
    return this.lines !== null && this.lines.from <= seq && seq <= this.lines.to;
  }

  // A line or none, or from the one that was chosen first to this one.
  choose(seq, { isLonger = false } = {}) {
    clearTimeout(this.timer);
    this.take(seq && this.spanTo(seq, isLonger), seq);
    history.pushState(history.state, "", this.link);
    this.changed();
  }

  // The same step by step, of which the way back has only one.
  move(seq, { isLonger = false } = {}) {
    if (!this.lines) this.choose(seq);
    this.take(this.spanTo(seq, isLonger), seq);
    this.changed();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      history.replaceState(history.state, "", this.link);
      this.say(LINE_TRIES);
    }, REST_MS);
  }

  // With the line's words, which may come a moment later than the key.
  say(tries) {
    if (!this.lines) return;
    if (this.lineAt(this.head) || !tries) announce(this.words);
    else this.timer = setTimeout(() => this.say(tries - 1), REST_MS);
  }

  spanTo(seq, isLonger) {
    if (!isLonger || !this.lines) this.anchor = seq;
    return { from: Math.min(this.anchor, seq), to: Math.max(this.anchor, seq) };
  }

  // head: the end of the range that moves
  take(lines, head = lines?.to) {
    this.lines = lines;
    this.head = head;
    if (lines) this.anchor = lines.from === head ? lines.to : lines.from;
  }

  get link() {
    return location.pathname + location.search + (this.lines ? hashOf(this.lines) : "");
  }

  get range() {
    const [from, to] = [number(this.lines.from), number(this.lines.to)];
    return from === to ? text("oneChosen", { n: from }) : text("chosen", { from, to });
  }

  // For those who hear: with the line at the end that moves.
  get words() {
    const message = plain(this.lineAt(this.head)?.message ?? "");
    return [this.range, message.slice(0, LONGEST_SAID)].filter(Boolean).join(": ");
  }
}
