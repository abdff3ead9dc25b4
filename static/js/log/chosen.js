// The lines that somebody has chosen: in the address, marked, and copied on demand.

import { get } from "../api.js";
import { announce } from "../announce.js";
import { number, text } from "../text.js";
import { plain } from "./ansi.js";
import { hashOf, linesOf } from "./permalink.js";

const MOST_COPIED = 10_000; // lines
const REST_MS = 150; // browsers refuse an address that changes with each key
const LONGEST_SAID = 200; // characters of a line

export class Chosen {
  // changed(): others are chosen; opened(lines): a link to them was followed
  // lineAt(seq): its message, if it is there
  constructor(part, api, { changed, opened, lineAt }) {
    this.api = api;
    this.lineAt = lineAt;
    this.changed = changed;
    this.bar = part("chosen");
    this.said = part("chosen-lines");
    this.take(linesOf(location.hash));
    part("copy").addEventListener("click", () => this.copy());
    part("copy-link").addEventListener("click", () => this.copyLink());
    part("choose-none").addEventListener("click", () => this.choose(null));
    const follow = () => {
      const lines = linesOf(location.hash);
      clearTimeout(this.timer);
      if (lines && hashOf(lines) === (this.lines && hashOf(this.lines))) return;
      this.take(lines);
      this.show();
      if (lines) opened(lines);
    };
    window.addEventListener("hashchange", follow);
    window.addEventListener("popstate", follow);
    this.say();
  }

  has(seq) {
    return this.lines !== null && this.lines.from <= seq && seq <= this.lines.to;
  }

  // A line or none, or from the one that was chosen first to this one.
  choose(seq, { isLonger = false } = {}) {
    clearTimeout(this.timer);
    this.take(seq && this.spanTo(seq, isLonger), seq);
    history.pushState(history.state, "", this.link);
    this.show();
  }

  // The same step by step, of which the way back has only one.
  move(seq, { isLonger = false } = {}) {
    if (!this.lines) this.choose(seq);
    this.take(this.spanTo(seq, isLonger), seq);
    this.show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      history.replaceState(history.state, "", this.link);
      announce(this.words);
    }, REST_MS);
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

  show() {
    this.say();
    this.changed();
  }

  get link() {
    return location.pathname + location.search + (this.lines ? hashOf(this.lines) : "");
  }

  say() {
    this.bar.hidden = !this.lines;
    if (this.lines) this.said.textContent = this.range;
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

  async copy() {
    const { from, to } = this.lines;
    const last = Math.min(to, from + MOST_COPIED - 1);
    const words = [];
    for (let after = from - 1; after !== null; ) {
      const path = `${this.api}/logs?after=${after}&before=${last + 1}&limit=${MOST_COPIED}`;
      const answer = await get(path);
      if (!answer) return this.tell(text("noAnswer"));
      words.push(...answer.logs.map((line) => `${plain(line.message)}\n`));
      after = answer.next;
    }
    await this.put(
      words.join(""),
      last < to
        ? text("copiedFirst", { n: number(MOST_COPIED) })
        : text(words.length === 1 ? "copiedOne" : "copied", { n: number(words.length) }),
    );
  }

  async copyLink() {
    if (this.lines) await this.put(location.origin + this.link, text("copiedLink"));
  }

  async put(words, done) {
    const isDone = await toClipboard(words);
    this.tell(isDone ? done : text("notCopied"));
  }

  tell(words) {
    this.said.textContent = words;
    announce(words);
  }
}

// Without TLS browsers have no clipboard for pages, except by this old way.
async function toClipboard(words) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(words).then(
      () => true,
      () => false,
    );
  }
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = words;
  document.body.append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  return isDone;
}
