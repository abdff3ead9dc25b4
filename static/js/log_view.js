// A log on a page: however long, only the lines around the reader are there.

import { get } from "./api.js";
import { Around } from "./log/around.js";
import { Choosing } from "./log/choosing.js";
import { Chosen } from "./log/chosen.js";
import { Drawing } from "./log/drawing.js";
import { Finder } from "./log/finder.js";
import { Folds } from "./log/folds.js";
import { Heat } from "./log/heat.js";
import { Hops } from "./log/hops.js";
import { Landmarks } from "./log/landmarks.js";
import { Lines } from "./log/lines.js";
import { Looks } from "./log/looks.js";
import { Marking } from "./log/marking.js";
import { Pace } from "./log/pace.js";
import { Place } from "./log/place.js";
import { Ranges } from "./log/ranges.js";
import { Reader } from "./log/reader.js";
import { ReturnMark } from "./log/return_mark.js";
import { Scroller } from "./log/scroller.js";
import { Seal } from "./log/seal.js";
import { SelectionBar } from "./log/selection_bar.js";
import { Zoom } from "./log/zoom.js";
import { ENDED } from "./status.js";

const NONE = new Ranges();

export class LogView {
  constructor(panel, { inAddress = false } = {}) {
    const parts = {};
    const part = (name) => (parts[name] ??= panel.querySelector(`[data-part="${name}"]`));
    Object.assign(this, { panel, part, list: part("log"), api: panel.dataset.api });
    this.started = Number(panel.dataset.started || 0) * 1000;
    this.lines = new Lines(this.api, () => this.loaded());
    this.lines.adopt(this.list.children, Number(panel.dataset.lines));
    this.landmarks = new Landmarks(this.api, () => this.landmarksGrew());
    this.folds = new Folds(this.landmarks);
    this.folds.isOver = this.isOver;
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
    this.mountSelection();
    this.mountSurvey();
    this.finder = new Finder(part, this.api, this, { inAddress });
    this.looks = new Looks(part, this.list, () => this.redrawAll());
    this.mount();
    if (inAddress) this.mountPlace();
    this.begin();
    this.landmarks.load(this.total);
    this.survey();
  }

  get total() {
    return this.lines.total;
  }

  get isOver() {
    return ENDED.has(this.panel.dataset.status);
  }

  mountSelection() {
    this.chosen = new Chosen({
      changed: () => {
        this.bar.show();
        this.redrawAll();
      },
      opened: (lines) => this.reader.goTo(lines.from),
      lineAt: (seq) => this.lines.get(seq),
    });
    this.marking = new Marking(this.list, this, {
      changed: () => this.bar.show(),
      copied: () => this.bar.tell(this.bar.toldOfMarked()),
      copyFar: () => this.bar.copyMarked(),
    });
    const { chosen, marking } = this;
    this.bar = new SelectionBar(this.part, this.api, { chosen, marking });
    this.choosing = new Choosing(this.part("scroll"), this);
  }

  // What there is in the whole log.
  mountSurvey() {
    const view = {
      from: () => this.reader.from(),
      open: (seq) => this.open(seq),
      changed: () => this.shown(),
    };
    this.warnings = new Hops("warning", this.part, this.api, {
      ...view,
      key: () => "",
      among: (ranges) => ranges,
    });
    this.errors = new Hops("error", this.part, this.api, {
      ...view,
      changed: () => this.errorsFound(),
      key: () => `${this.around.ownWords(this.total)} ${this.landmarks.cause?.seq}`,
      among: (ranges) => this.around.errorsAmong(ranges, this.total),
    });
    this.heat = new Heat(this.part, this.api, this);
    this.seal = new Seal(this.part("seal"), this.api, this.lines);
  }

  mount() {
    const { part } = this;
    for (const name of ["follow", "heat"]) part(name).hidden = false;
    part("follow").addEventListener("click", () => this.toggleFollow());
    part("more").addEventListener("click", () => this.reader.follow(true));
    part("fold").addEventListener("click", () => this.foldAll("groups"));
    part("fold-steps").addEventListener("click", () => this.foldAll("steps"));
    part("where").addEventListener("click", () => this.reader.goTo(this.around.head));
    part("first-error").addEventListener("click", (event) => this.openFirstError(event));
    this.list.addEventListener("click", (event) => this.clicked(event));
    part("scroll").addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.resized()).observe(part("scroll"));
    const status = { attributes: true, attributeFilter: ["data-status"] };
    new MutationObserver(() => this.statusChanged()).observe(this.panel, status);
  }

  // Only of a log that has a page to itself.
  mountPlace() {
    const isSeen = () => getComputedStyle(this.list).visibility === "visible";
    this.finder.mountKey(() => this.rows.count > this.list.children.length && isSeen());
    this.place = new Place(() => this.reader.here);
    this.zoom = new Zoom(this.part("zoom"), () => this.focus());
    const view = {
      total: () => this.total,
      errors: () => this.errors.ranges,
      goTo: (seq) => this.reader.goTo(seq),
    };
    this.mark = new ReturnMark(this.part("news"), this.panel.dataset.task, view);
  }

  begin() {
    if (this.finder.words || this.finder.levels.value) this.finder.start();
    else this.finder.say();
    this.reader.open({
      kept: this.place?.kept,
      linked: this.chosen.lines?.from,
      status: this.panel.dataset.status,
    });
  }

  async survey() {
    const summary = await get(`${this.api}/logs/summary`);
    if (!summary) return;
    this.heat.adopt(summary.samples);
    if (summary.logCount === this.total) this.seal.check(summary);
  }

  statusChanged() {
    const { isOver } = this;
    if (isOver === this.folds.isOver) return;
    this.folds.isOver = isOver;
    this.redrawAll();
    this.landmarks.end();
    this.survey();
  }

  // --- Which rows there are ----------------------------------------------------------

  append(line) {
    this.lines.add(line);
    for (const one of [this.landmarks, this.warnings, this.errors, this.heat]) one.take(line);
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
    return this.marking.text !== null;
  }

  // Lines that were wanted have come, maybe above others.
  loaded() {
    this.drawing.colours.forget();
    this.redraw();
    this.reader.settle();
  }

  // Whether all rows that are there have their lines.
  isWhole() {
    return !this.list.querySelector(".absent");
  }

  landmarksGrew() {
    this.fold();
    this.drawing.outdate();
    this.reader.expect(this.around.firstError(this.total));
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
      noteAt: (seq) => this.mark?.noteAt(seq) ?? "",
    };
  }

  // The window is another: forget the rows that left it, load what is missing in it.
  drawn() {
    this.drawing.dropGone();
    this.marking.draw();
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

  // What is in sight is read before anything is written: behind that the browser would
  // have to lay the page out for it, in every frame in which somebody scrolls.
  shown() {
    const { sight } = this.reader;
    this.showFolds("fold", "groups", 1);
    this.showFolds("fold-steps", "steps", 2);
    this.errors.show();
    this.warnings.show();
    this.around.show({
      total: this.total,
      unseen: this.reader.unseen,
      following: this.reader.following,
      seq: this.rows.count ? sight.first : 0,
      isEmpty: this.rows.count === 0 && Boolean(this.finder.base?.isDone),
    });
    this.heat.show(sight);
    this.mark?.saw(sight);
    this.place?.soon();
  }

  // Where there are so many that it is worth a button.
  showFolds(name, kind, least) {
    const button = this.part(name);
    button.hidden = this.folds.kinds[kind].size < least;
    button.setAttribute("aria-pressed", String(this.folds.areAll(kind)));
  }

  errorsFound() {
    this.mark?.say();
    if (this.mark?.seq) this.drawing.outdate();
    this.redraw();
  }

  // --- For the strip -----------------------------------------------------------------

  marks() {
    return {
      errors: this.errors.ranges,
      warnings: this.warnings.ranges,
      matches: this.finder.search?.ranges ?? NONE,
      steps: this.landmarks.steps,
    };
  }

  sight() {
    return this.reader.sight;
  }

  jump(seq) {
    this.reader.leave();
    this.reader.goTo(seq);
    this.shown();
  }

  // --- What the reader does ----------------------------------------------------------

  focus() {
    this.part("scroll").focus();
  }

  toggleFollow() {
    this.reader.follow(!this.reader.following);
  }

  foldAll(kind) {
    this.rearrange(() => this.folds.toggleAll(kind));
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
      if (act === "rest") this.drawing.wholes.add(seq);
      else this.folds.toggle(seq);
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
