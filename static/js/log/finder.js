// Search over the whole log, and the choice of what is shown: some levels, or only what
// was found.

import { number, text } from "../text.js";
import { Levels } from "./levels.js";
import { Matches } from "./matches.js";

const PAUSE_MS = 250; // while somebody types

export class Finder {
  // view: redrawAll(), narrowed(matches or null, query) shows only those,
  // focus(), reader: goTo(seq), from(): {seq, isAtEnd}
  constructor(part, api, view, { inAddress }) {
    this.api = api;
    this.view = view;
    this.inAddress = inAddress;
    this.search = null; // Matches of the text
    this.base = null; // Matches that are shown, where that is not all
    this.current = null; // seq
    this.box = part("search");
    this.found = part("found");
    this.levels = new Levels(part("levels"), () => this.start());
    this.buttons = { previous: part("previous"), next: part("next"), only: part("only") };
    this.mount();
    part("finder").hidden = false;
  }

  get words() {
    return this.box.value.trim() && this.box.value; // a space may be what is sought
  }

  get needle() {
    return this.words.toLowerCase();
  }

  get isOnly() {
    return this.buttons.only.getAttribute("aria-pressed") === "true";
  }

  mount() {
    const { previous, next, only } = this.buttons;
    this.box.addEventListener("input", () => this.soon());
    this.box.addEventListener("keydown", (event) => this.key(event));
    previous.addEventListener("click", () => this.step(-1));
    next.addEventListener("click", () => this.step(1));
    only.addEventListener("click", () => {
      only.setAttribute("aria-pressed", String(!this.isOnly));
      this.narrow();
    });
    if (this.inAddress) this.readAddress();
  }

  key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.timer) this.start();
      else this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (!this.box.value) this.view.focus();
      this.box.value = "";
      this.start();
    }
  }

  focus() {
    this.box.focus();
    this.box.select();
  }

  // Ctrl-F, where the browser would find in a part of the lines only. A second one is the
  // browser's.
  mountKey(isNeeded) {
    document.addEventListener("keydown", (event) => {
      const isFind = (event.ctrlKey || event.metaKey) && event.key === "f";
      if (!isFind || event.altKey || event.shiftKey || !isNeeded()) return;
      if (document.activeElement === this.box || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      this.focus();
    });
  }

  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), PAUSE_MS);
  }

  start() {
    clearTimeout(this.timer);
    this.timer = null;
    this.current = null;
    this.search?.close();
    this.search = this.words ? new Matches(this.api, this.query, () => this.progress()) : null;
    this.goesToNearest = true;
    this.narrow();
  }

  get query() {
    const level = this.levels.value;
    const all = { ...(this.words && { q: this.words }), ...(level && { level }) };
    return String(new URLSearchParams(all));
  }

  // Show only what was found, or some levels, or all.
  narrow() {
    if (this.base !== this.search) this.base?.close();
    const level = this.levels.value && `level=${this.levels.value}`;
    const isOnly = this.search && this.isOnly;
    if (isOnly) this.base = this.search;
    else if (!level) this.base = null;
    else this.base = new Matches(this.api, level, () => this.view.narrowed(this.base, level));
    this.view.narrowed(this.base, isOnly ? this.query : level);
    this.say();
    if (this.inAddress) this.writeAddress();
  }

  // Whoever has gone on reading is not taken away to what was found.
  stay() {
    this.goesToNearest = false;
  }

  showAll() {
    this.levels.value = "";
    this.buttons.only.setAttribute("aria-pressed", "false");
    this.start();
  }

  progress() {
    if (this.base === this.search) this.view.narrowed(this.base, this.query);
    if (this.goesToNearest && this.search.isDone && this.search.count) this.step(0);
    this.say();
  }

  grow(total) {
    this.search?.grow(total);
    if (this.base !== this.search) this.base?.grow(total);
  }

  // To the next match, the previous one, or (0) the nearest.
  step(direction) {
    this.stay();
    if (!this.search?.count) return;
    const { seq, isAtEnd } = this.view.reader.from();
    if (this.current === null) {
      const isBack = direction < 0 || (direction === 0 && isAtEnd);
      this.current = isBack ? this.search.ranges.before(seq) : this.search.ranges.after(seq - 1);
    } else if (direction < 0) this.current = this.search.ranges.before(this.current);
    else this.current = this.search.ranges.after(this.current);
    this.view.reader.goTo(this.current);
    this.say();
  }

  say() {
    const { search } = this;
    this.found.textContent = search ? this.wordsFor(search) : "";
    const hasNone = !search?.count;
    this.buttons.previous.disabled = this.buttons.next.disabled = hasNone;
    this.buttons.only.disabled = !search;
    this.view.redrawAll();
  }

  wordsFor({ count, ranges, isDone, isCut }) {
    if (!count) return text(isDone ? "noneFound" : "searching");
    const all = number(count) + (isCut ? "+" : isDone ? "" : "…");
    if (this.current === null) return text(count === 1 ? "oneFound" : "manyFound", { n: all });
    return text("foundOf", { k: number(ranges.indexOf(this.current) + 1), n: all });
  }

  readAddress() {
    const asked = new URLSearchParams(location.search);
    this.box.value = asked.get("q") ?? "";
    this.levels.value = asked.getAll("level").join(",");
    this.buttons.only.setAttribute("aria-pressed", String(asked.has("only")));
  }

  writeAddress() {
    const asked = new URLSearchParams(location.search);
    const wanted = { q: this.words, level: this.levels.value, only: this.isOnly && "1" };
    for (const [name, value] of Object.entries(wanted)) {
      if (value) asked.set(name, value);
      else asked.delete(name);
    }
    const query = String(asked);
    const path = location.pathname + (query && `?${query}`) + location.hash;
    history.replaceState(history.state, "", path);
  }
}
