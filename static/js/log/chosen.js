// The lines that somebody has chosen: in the address, marked, and copied on demand.

import { get } from "../api.js";
import { announce } from "../announce.js";
import { number, text } from "../text.js";
import { plain } from "./ansi.js";
import { hashOf, linesOf } from "./permalink.js";

const MOST_COPIED = 10_000; // lines

export class Chosen {
  // changed(): others are chosen; opened(lines): a link to them was followed
  constructor(part, api, { changed, opened }) {
    this.api = api;
    this.changed = changed;
    this.bar = part("chosen");
    this.said = part("chosen-lines");
    this.lines = linesOf(location.hash);
    part("copy").addEventListener("click", () => this.copy());
    part("copy-link").addEventListener("click", () => this.copyLink());
    part("choose-none").addEventListener("click", () => this.choose(null));
    const follow = () => {
      const lines = linesOf(location.hash);
      if (lines && hashOf(lines) === (this.lines && hashOf(this.lines))) return;
      this.show(lines);
      if (lines) opened(lines);
    };
    window.addEventListener("hashchange", follow);
    window.addEventListener("popstate", follow);
    this.say();
  }

  has(seq) {
    return this.lines !== null && this.lines.from <= seq && seq <= this.lines.to;
  }

  // From the line that was chosen first, if the range is to be longer.
  choose(lines, { isLonger = false } = {}) {
    const wanted = isLonger && this.lines ? span(this.lines.from, lines.from) : lines;
    const hash = wanted ? hashOf(wanted) : location.pathname + location.search;
    history.pushState(history.state, "", hash);
    this.show(wanted);
  }

  show(lines) {
    this.lines = lines;
    this.say();
    this.changed();
  }

  say() {
    const { lines } = this;
    this.bar.hidden = !lines;
    if (!lines) return;
    const [from, to] = [number(lines.from), number(lines.to)];
    this.said.textContent =
      lines.from === lines.to ? text("oneChosen", { n: from }) : text("chosen", { from, to });
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
    await toClipboard(words.join(""));
    this.tell(
      last < to
        ? text("copiedFirst", { n: number(MOST_COPIED) })
        : text(words.length === 1 ? "copiedOne" : "copied", { n: number(words.length) }),
    );
  }

  async copyLink() {
    await toClipboard(location.href);
    this.tell(text("copiedLink"));
  }

  tell(words) {
    this.said.textContent = words;
    announce(words);
  }
}

function span(one, other) {
  return { from: Math.min(one, other), to: Math.max(one, other) };
}

// Without TLS browsers have no clipboard for pages, except by this old way.
async function toClipboard(words) {
  if (navigator.clipboard) return navigator.clipboard.writeText(words);
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = words;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}
