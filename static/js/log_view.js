// A log on a page: however long, only the lines around the reader are there.

import { Chosen } from "./log/chosen.js";
import { Finder } from "./log/finder.js";
import { Folds } from "./log/folds.js";
import { Landmarks } from "./log/landmarks.js";
import { Lines } from "./log/lines.js";
import { Ranges } from "./log/ranges.js";
import { rowOf } from "./log/row.js";
import { Scroller } from "./log/scroller.js";
import { MODES } from "./log/times.js";
import { counted, text } from "./text.js";
import { remember, remembered } from "./theme_switch.js";

const SHARE_OF_TIME = 4; // a fifth of the time at most goes into drawing a flood
const HIDDEN_MS = 500; // a page in the background gets no frames

export class LogView {
  constructor(panel, { inAddress = false, grown = () => {} } = {}) {
    const part = (name) => panel.querySelector(`[data-part="${name}"]`);
    const { api } = panel.dataset;
    this.part = part;
    this.grown = grown; // landmarks: there are more
    this.list = part("log");
    this.buttons = { follow: part("follow"), wrap: part("wrap"), times: part("times") };
    this.elements = new Map(); // seq → what it was drawn from, and its element
    this.generation = 0; // of what all rows depend on
    this.wholes = new Set(); // long lines that are shown to their end
    this.started = Number(panel.dataset.started || 0) * 1000;
    this.following = true;
    this.lines = new Lines(api, () => this.redraw());
    this.adopt(Number(panel.dataset.lines));
    this.landmarks = new Landmarks(api, () => this.landmarksGrew());
    this.folds = new Folds(this.landmarks);
    this.base = this.rows = Ranges.all(this.lines.total);
    const places = { frame: part("scroll"), space: part("space"), list: this.list };
    this.scroller = new Scroller(places, {
      count: () => this.rows.count,
      draw: (row) => this.draw(this.rows.at(row)),
      drawn: () => this.drawn(),
      moved: () => this.moved(),
    });
    this.chosen = new Chosen(part, api, {
      changed: () => this.redrawAll(),
      opened: (lines) => this.goTo(lines.from),
    });
    this.finder = new Finder(part, api, this, { inAddress });
    this.mount();
    this.landmarks.load(this.lines.total);
  }

  get total() {
    return this.lines.total;
  }

  get newest() {
    return this.lines.get(this.total);
  }

  // What the server wrote into the page.
  adopt(total) {
    for (const row of this.list.children) {
      this.lines.add({
        seq: Number(row.id.slice(1)),
        timestamp: row.querySelector("time").dateTime,
        level: row.dataset.level,
        message: row.lastElementChild.textContent,
      });
    }
    this.lines.total = Math.max(this.lines.total, total);
    this.seenTotal = this.lines.total;
    this.list.replaceChildren();
    this.list.classList.add("virtual");
  }

  mount() {
    const { follow, wrap, times } = this.buttons;
    this.setWrap(remembered("log.wrap") !== "false");
    this.setTimes(MODES.find((mode) => mode === remembered("log.times")) ?? "off");
    follow.addEventListener("click", () => this.follow(!this.following));
    wrap.addEventListener("click", () => this.toggleWrap());
    times.addEventListener("change", () => this.setTimes(times.value));
    this.part("fold").addEventListener("click", () => this.foldAll());
    this.part("more").addEventListener("click", () => this.follow(true));
    this.part("first-error").addEventListener("click", (event) => {
      event.preventDefault();
      this.openLine(this.landmarks.firstError.seq);
    });
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.part("scroll").addEventListener("keydown", (event) => this.pressed(event));
    for (const tool of [follow, wrap, times]) tool.hidden = false;
    new ResizeObserver(() => this.resized()).observe(this.part("scroll"));
    if (this.finder.words || this.finder.levels.value) this.finder.start();
    else this.finder.say();
    if (this.chosen.lines) this.goTo(this.chosen.lines.from);
    else this.stay();
  }

  // --- Lines that come ---------------------------------------------------------------

  append(line) {
    this.lines.add(line);
    this.landmarks.take(line);
    if (this.frame) return;
    const flush = () => this.flush();
    this.frame = document.hidden
      ? setTimeout(flush, HIDDEN_MS)
      : setTimeout(() => requestAnimationFrame(flush), (this.cost ?? 0) * SHARE_OF_TIME);
  }

  flush() {
    const began = performance.now();
    this.frame = null;
    const before = this.rows.count;
    if (!this.finder.base) this.base.add(1, this.total);
    this.rows = this.base.without(this.folds.holes(this.total));
    this.finder.grow(this.total);
    if (this.following && this.isSelecting()) this.following = false;
    if (this.following) this.stay();
    else if (this.scroller.last >= before) this.scroller.refresh();
    else this.scroller.lengthen();
    this.shown();
    this.cost = performance.now() - began;
  }

  // Somebody who marks text with the pointer holds it fast.
  isSelecting() {
    const selection = getSelection();
    return !selection.isCollapsed && this.list.contains(selection.anchorNode);
  }

  landmarksGrew() {
    this.generation += 1;
    this.rows = this.base.without(this.folds.holes(this.total));
    this.grown();
    if (!this.frame) this.redraw();
  }

  // --- Rows --------------------------------------------------------------------------

  draw(seq) {
    const line = this.lines.get(seq);
    const previous = this.mode === "previous" ? this.lines.get(seq - 1) : undefined;
    const kept = this.elements.get(seq);
    const isSame = kept && kept.line === line && kept.previous === previous;
    if (isSame && kept.generation === this.generation) return kept.element;
    const element = rowOf(seq, line, {
      times: this.mode,
      started: this.started,
      previous,
      needle: this.finder.needle,
      isWhole: this.wholes.has(seq),
      group: this.folds.headAt(seq),
      isInGroup: Boolean(this.landmarks.groupAt(seq)),
    });
    element.classList.toggle("chosen", this.chosen.has(seq));
    element.classList.toggle("current", seq === this.finder.current);
    this.elements.set(seq, { line, previous, generation: this.generation, element });
    return element;
  }

  // The window is another: forget the rows that left it, load what is missing in it.
  drawn() {
    for (const [seq, { element }] of this.elements) {
      if (!element.isConnected) this.elements.delete(seq);
    }
    const { first, last } = this.scroller;
    const seqs = [];
    for (let row = first; row < last; row++) seqs.push(this.rows.at(row));
    this.lines.want(seqs);
  }

  redraw() {
    if (this.following) this.stay();
    else this.scroller.refresh();
    this.shown();
  }

  redrawAll() {
    this.generation += 1;
    this.redraw();
  }

  // Other rows: the line at the top stays there, or the one that follows it.
  rearrange(change) {
    const { row, offset } = this.scroller.anchor;
    const seq = this.rows.count ? this.rows.at(row) : 1;
    change();
    this.rows = this.base.without(this.folds.holes(this.total));
    this.generation += 1;
    if (this.following) this.stay();
    else this.scroller.refresh({ row: this.rows.indexOf(seq), offset });
    this.shown();
  }

  sought() {
    if (this.scroller) this.redrawAll();
  }

  narrowed(matches, query) {
    this.lines.setFilter(matches ? query : "");
    this.rearrange(() => {
      this.base = matches ? matches.ranges : Ranges.all(this.total);
    });
    if (this.awaited) this.goTo(this.awaited);
  }

  // --- Where the reader is -----------------------------------------------------------

  from() {
    const { row } = this.scroller.anchor;
    const isAtEnd = this.following || this.scroller.isAtEnd;
    return { seq: isAtEnd ? this.total + 1 : this.rows.at(row), isAtEnd };
  }

  goTo(seq) {
    this.finder.stay();
    const line = Math.max(1, Math.min(seq, this.total));
    this.following = false;
    if (this.folds.reveal(line)) this.rearrange(() => {});
    this.awaited = null;
    if (!this.rows.has(line) && this.finder.base) {
      if (!this.finder.base.knows(line)) {
        this.awaited = line;
        return;
      }
      this.finder.showAll();
    }
    const row = this.rows.indexOf(line);
    if (!this.isInSight(row)) this.scroller.showCentred(row);
    this.redrawAll();
  }

  isInSight(row) {
    const { first, last, at, y, seen } = this.scroller;
    const element = row >= first && row < last && this.list.children[row - first];
    if (!element) return false;
    const top = y + element.offsetTop - at;
    return top >= 0 && top + element.offsetHeight <= seen;
  }

  openLine(seq) {
    this.chosen.choose({ from: seq, to: seq });
    this.goTo(seq);
  }

  focus() {
    this.part("scroll").focus();
  }

  stay() {
    if (this.following) this.scroller.showEnd();
  }

  moved() {
    this.finder.stay();
    this.awaited = null;
    const { isAtEnd } = this.scroller;
    if (isAtEnd !== this.following) {
      this.following = isAtEnd;
      if (!isAtEnd) this.seenTotal = this.total;
    }
    this.shown();
  }

  follow(on) {
    this.finder.stay();
    this.following = on;
    this.seenTotal = this.total;
    this.stay();
    this.shown();
  }

  top() {
    this.finder.stay();
    this.following = false;
    this.seenTotal = this.total;
    this.scroller.show(0);
    this.shown();
  }

  resized() {
    this.scroller.resized();
    this.redraw();
  }

  // --- Tools -------------------------------------------------------------------------

  clicked(event) {
    const act = event.target.closest("[data-act], a.n");
    if (!act) return;
    if (act.matches("a.n")) {
      if (event.ctrlKey || event.metaKey) return; // a new tab
      event.preventDefault();
      const seq = Number(act.textContent);
      this.chosen.choose({ from: seq, to: seq }, { isLonger: event.shiftKey });
      return;
    }
    const seq = Number(act.dataset.seq);
    this.following = false;
    this.rearrange(() => {
      if (act.dataset.act === "group") this.folds.toggle(seq);
      else this.wholes.add(seq);
    });
    this.list.querySelector(`[data-seq="${seq}"]`)?.focus({ preventScroll: true });
  }

  // The browser would go to where the end is on the bar, which wrapped lines move.
  pressed(event) {
    if (event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    if (event.key === "Home") this.top();
    else this.follow(true);
  }

  foldAll() {
    this.rearrange(() => this.folds.toggleAll());
  }

  toggleWrap() {
    this.setWrap(this.buttons.wrap.getAttribute("aria-pressed") !== "true");
  }

  setWrap(on) {
    this.buttons.wrap.setAttribute("aria-pressed", String(on));
    this.list.classList.toggle("with-wrap", on);
    remember("log.wrap", String(on));
    this.redraw();
  }

  nextTimes() {
    this.setTimes(MODES[(MODES.indexOf(this.mode) + 1) % MODES.length]);
  }

  setTimes(mode) {
    this.mode = this.buttons.times.value = mode;
    this.list.classList.toggle("with-times", mode !== "off");
    remember("log.times", mode);
    this.redrawAll();
  }

  // --- What is said around the lines ---------------------------------------------------

  shown() {
    const { total, rows, following } = this;
    const unseen = following ? 0 : total - this.seenTotal;
    if (following) this.seenTotal = total;
    this.part("count").textContent = counted("line", "lines", total);
    this.part("more").hidden = !unseen;
    if (unseen) this.part("more").textContent = `↓ ${counted("newLine", "newLines", unseen)}`;
    this.buttons.follow.setAttribute("aria-pressed", String(following));
    this.list.style.setProperty("--digits", Math.max(4, String(total).length));
    this.part("none").hidden = rows.count > 0 || !this.finder.base?.isDone;
    this.showHead();
  }

  // What the line at the top belongs to, and the first error.
  showHead() {
    const { firstError, groups } = this.landmarks;
    const seq = this.rows.count ? this.rows.at(this.scroller.anchor.row) : 0;
    const step = this.landmarks.stepAt(seq);
    const group = this.landmarks.groupAt(seq);
    const words = [step?.message, group?.title].filter(Boolean).join(" · ");
    if (this.part("where").textContent !== words) this.part("where").textContent = words;
    this.part("fold").hidden = !groups.size;
    this.part("fold").setAttribute("aria-pressed", String(this.folds.areAll));
    const link = this.part("first-error");
    link.hidden = !firstError;
    if (firstError) {
      link.href = `#L${firstError.seq}`;
      link.textContent = text("firstError", { n: firstError.seq, message: firstError.message });
    }
  }
}
