// A log on a page: however long, only the lines around the reader are there.

import { Around } from "./log/around.js";
import { Choosing } from "./log/choosing.js";
import { Chosen } from "./log/chosen.js";
import { Drawing } from "./log/drawing.js";
import { Finder } from "./log/finder.js";
import { Folds } from "./log/folds.js";
import { Landmarks } from "./log/landmarks.js";
import { Lines } from "./log/lines.js";
import { Looks } from "./log/looks.js";
import { Pace } from "./log/pace.js";
import { Ranges } from "./log/ranges.js";
import { Reader } from "./log/reader.js";
import { Scroller } from "./log/scroller.js";
import { Warnings } from "./log/warnings.js";

export class LogView {
  constructor(panel, { inAddress = false } = {}) {
    const part = (name) => panel.querySelector(`[data-part="${name}"]`);
    const { api } = panel.dataset;
    this.part = part;
    this.list = part("log");
    this.started = Number(panel.dataset.started || 0) * 1000;
    this.lines = new Lines(api, () => this.loaded());
    this.lines.adopt(this.list.children, Number(panel.dataset.lines));
    this.landmarks = new Landmarks(api, () => this.landmarksGrew());
    this.folds = new Folds(this.landmarks);
    this.base = this.rows = Ranges.all(this.total);
    const { lines, landmarks, folds } = this;
    const look = () => this.look();
    this.drawing = new Drawing(this.list, { lines, landmarks, folds, look });
    this.pace = new Pace(() => this.grow());
    this.around = new Around(part, this.landmarks, () => panel.dataset.status);
    this.list.replaceChildren();
    this.list.classList.add("virtual");
    this.scroller = new Scroller(
      { frame: part("scroll"), space: part("space"), list: this.list },
      {
        count: () => this.rows.count,
        draw: (row) => this.drawing.draw(this.rows.at(row)),
        drawn: () => this.drawn(),
        moved: () => this.reader.moved(),
      },
    );
    this.reader = new Reader(this.scroller, this);
    this.chosen = new Chosen(part, api, {
      changed: () => this.redrawAll(),
      opened: (lines) => this.reader.goTo(lines.from),
      lineAt: (seq) => this.lines.get(seq),
    });
    this.finder = new Finder(part, api, this, { inAddress });
    this.warnings = new Warnings(part, api, {
      from: () => this.reader.from(),
      open: (seq) => this.open(seq),
    });
    this.choosing = new Choosing(part("scroll"), this);
    this.looks = new Looks(part, this.list, () => this.redrawAll());
    this.mount();
    this.landmarks.load(this.total);
  }

  get total() {
    return this.lines.total;
  }

  mount() {
    const { part } = this;
    part("follow").hidden = false;
    part("follow").addEventListener("click", () => this.toggleFollow());
    part("more").addEventListener("click", () => this.reader.follow(true));
    part("fold").addEventListener("click", () => this.foldAll());
    part("first-error").addEventListener("click", (event) => this.openFirstError(event));
    this.list.addEventListener("click", (event) => this.clicked(event));
    part("scroll").addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.resized()).observe(part("scroll"));
    if (this.finder.words || this.finder.levels.value) this.finder.start();
    else this.finder.say();
    if (this.chosen.lines) this.reader.goTo(this.chosen.lines.from);
    else this.reader.stay();
  }

  // --- Which rows there are ----------------------------------------------------------

  append(line) {
    this.lines.add(line);
    this.landmarks.take(line);
    this.warnings.take(line);
    this.pace.soon();
  }

  // Rows of the lines that came.
  grow() {
    const before = this.rows.count;
    if (!this.finder.base) this.base.add(1, this.total);
    this.fold();
    this.finder.grow(this.total);
    if (this.reader.following && this.isSelecting()) this.reader.following = false;
    if (this.reader.following) this.reader.stay();
    else if (this.scroller.last >= before) this.scroller.refresh();
    else this.scroller.lengthen();
    this.shown();
  }

  // Somebody who marks text with the pointer holds it fast.
  isSelecting() {
    const selection = getSelection();
    return !selection.isCollapsed && this.list.contains(selection.anchorNode);
  }

  // Lines that were wanted have come, maybe above others.
  loaded() {
    this.drawing.colours.forget();
    this.redraw();
  }

  landmarksGrew() {
    this.fold();
    this.drawing.outdate();
    if (!this.pace.isWaiting) this.redraw();
  }

  fold() {
    this.rows = this.base.without(this.folds.holes(this.total));
  }

  // Other rows: the line at the top stays there, or the one that follows it.
  rearrange(change) {
    const { row, offset } = this.scroller.anchor;
    const seq = this.rows.count ? this.rows.at(row) : 1;
    change();
    this.fold();
    this.drawing.outdate();
    if (this.reader.following) this.reader.stay();
    else this.scroller.refresh({ row: this.rows.indexOf(seq), offset });
    this.shown();
  }

  narrowed(matches, query) {
    this.lines.setFilter(matches ? query : "");
    this.rearrange(() => {
      this.base = matches ? matches.ranges : Ranges.all(this.total);
    });
    this.reader.arrive();
  }

  // --- How they are shown ------------------------------------------------------------

  look() {
    return {
      times: this.looks.times,
      started: this.started,
      needle: this.finder.needle,
      current: this.finder.current,
      isChosen: (seq) => this.chosen.has(seq),
    };
  }

  // The window is another: forget the rows that left it, load what is missing in it.
  drawn() {
    this.drawing.dropGone();
    const { first, last } = this.scroller;
    const seqs = [];
    for (let row = first; row < last; row++) seqs.push(this.rows.at(row));
    this.lines.want(seqs);
  }

  redraw() {
    if (this.reader.following) this.reader.stay();
    else this.scroller.refresh();
    this.shown();
  }

  redrawAll() {
    this.drawing.outdate();
    this.redraw();
  }

  resized() {
    this.scroller.resized();
    this.redraw();
  }

  shown() {
    const { groups } = this.landmarks;
    this.part("fold").hidden = !groups.size;
    this.part("fold").setAttribute("aria-pressed", String(this.folds.areAll));
    this.around.show({
      total: this.total,
      unseen: this.reader.unseen,
      following: this.reader.following,
      seq: this.reader.seq,
      isEmpty: this.rows.count === 0 && Boolean(this.finder.base?.isDone),
    });
  }

  // --- What the reader does ----------------------------------------------------------

  focus() {
    this.part("scroll").focus();
  }

  toggleFollow() {
    this.reader.follow(!this.reader.following);
  }

  foldAll() {
    this.rearrange(() => this.folds.toggleAll());
  }

  openFirstError(event) {
    event.preventDefault();
    this.open(this.around.firstError(this.total).seq);
  }

  open(seq) {
    this.chosen.choose(seq);
    this.reader.goTo(seq);
  }

  clicked(event) {
    const act = event.target.closest("[data-act], a.n");
    if (!act) return;
    if (act.matches("a.n")) this.clickedNumber(event, Number(act.textContent));
    else this.clickedButton(act.dataset.act, Number(act.dataset.seq));
  }

  clickedNumber(event, seq) {
    if (event.ctrlKey || event.metaKey) return; // a new tab
    event.preventDefault();
    this.chosen.choose(seq, { isLonger: event.shiftKey });
  }

  clickedButton(act, seq) {
    this.reader.following = false;
    this.rearrange(() => {
      if (act === "group") this.folds.toggle(seq);
      else this.drawing.wholes.add(seq);
    });
    this.list.querySelector(`[data-seq="${seq}"]`)?.focus({ preventScroll: true });
  }

  // The browser would go to where the end is on the bar, which wrapped lines move.
  pressed(event) {
    if (event.key !== "Home" && event.key !== "End") return;
    event.preventDefault();
    if (event.key === "Home") this.reader.top();
    else this.reader.follow(true);
  }
}
