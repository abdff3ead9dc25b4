// Where the reader is: at the end, following it, or at some line, where nothing moves.

export class Reader {
  // view: rows (Ranges), total, finder, folds, rearrange(change), redrawAll(), shown()
  constructor(scroller, view) {
    this.scroller = scroller;
    this.view = view;
    this.following = true;
    this.seen = view.total; // how many lines there were when it was left
    this.awaited = null; // a line to go to once it is known whether it is shown
    this.kept = null; // a place to resume once it is known what is shown
    this.aim = null; // the line gone to, until those around it have come
    this.isExpectant = false; // has gone nowhere yet, and waits for the first error
  }

  // Where the page opens: at what was kept, at a line that is linked to, at the beginning
  // of what went well, at the first error, or at the end of what goes on.
  open({ kept, linked, status }) {
    if (kept?.following) this.stay();
    else if (kept) this.resume(kept);
    else if (linked) this.goTo(linked);
    else if (status === "completed" && !this.view.finder.search) this.top();
    else this.stay();
    this.isExpectant = !kept && !linked && status === "failed";
  }

  // To a line at the top, as it was before; or the next one, of those that are shown.
  resume(kept) {
    const { rows, finder } = this.view;
    const row = Math.min(rows.indexOf(kept.seq), Math.max(0, rows.count - 1));
    this.following = false;
    this.kept = finder.base && !finder.base.isDone ? kept : null;
    this.scroller.show(row, kept.offset);
  }

  // The first error is known, if there is one.
  expect(firstError) {
    if (!this.isExpectant || !firstError) return;
    this.goTo(firstError.seq);
  }

  get here() {
    if (this.following) return { seq: this.view.total && 1, offset: 0, following: true };
    const { offset } = this.scroller.anchor;
    return { seq: this.seq, offset: Math.round(offset), following: false };
  }

  // The lines in sight, first and last.
  get sight() {
    const { rows } = this.view;
    if (!rows.count) return { first: 1, last: 0 };
    const { top, bottom } = this.scroller.edges;
    return { first: rows.at(top), last: rows.at(Math.min(bottom, rows.count - 1)) };
  }

  get unseen() {
    if (this.following) this.seen = this.view.total;
    return this.view.total - this.seen;
  }

  // The line at the top; 0 if there is none.
  get seq() {
    return this.view.rows.count ? this.view.rows.at(this.scroller.anchor.row) : 0;
  }

  from() {
    const isAtEnd = this.following || this.scroller.isAtEnd;
    return { seq: isAtEnd ? this.view.total + 1 : this.seq, isAtEnd };
  }

  goTo(seq) {
    const { view, scroller } = this;
    view.finder.stay();
    const line = Math.max(1, Math.min(seq, view.total));
    this.following = this.isExpectant = false;
    this.awaited = null;
    if (view.folds.reveal(line)) view.rearrange(() => {});
    if (!view.rows.has(line) && view.finder.base) {
      if (!view.finder.base.knows(line)) {
        this.awaited = line;
        return;
      }
      view.finder.showAll();
    }
    const row = view.rows.indexOf(line);
    if (!scroller.isInSight(row)) {
      this.aim = line;
      scroller.showCentred(row);
    }
    view.redrawAll();
  }

  // Lines have come, which may be higher than the rows that stood for them.
  settle() {
    if (!this.aim) return;
    const row = this.view.rows.indexOf(this.aim);
    if (!this.scroller.isInSight(row)) this.scroller.showCentred(row);
    if (this.view.isWhole()) this.aim = null;
  }

  // Other lines are shown.
  arrive() {
    if (this.awaited) this.goTo(this.awaited);
    else if (this.kept) this.resume(this.kept);
  }

  stay() {
    if (this.following) this.scroller.showEnd();
  }

  // The reader has scrolled.
  moved() {
    this.leave();
    const { isAtEnd } = this.scroller;
    if (isAtEnd !== this.following) {
      this.following = isAtEnd;
      this.seen = this.view.total;
    }
    this.view.shown();
  }

  follow(on) {
    this.leave();
    this.following = on;
    this.seen = this.view.total;
    this.stay();
    this.view.shown();
  }

  top() {
    this.leave();
    this.following = false;
    this.scroller.show(0);
    this.view.shown();
  }

  // Nothing that was on its way takes them from where they go now.
  leave() {
    this.view.finder.stay();
    this.awaited = this.aim = this.kept = null;
    this.isExpectant = false;
  }
}
