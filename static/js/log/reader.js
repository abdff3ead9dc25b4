// Where the reader is: at the end, following it, or at some line, where nothing moves.

export class Reader {
  // view: rows (Ranges), total, finder, folds, rearrange(change), redrawAll(), shown()
  constructor(scroller, view) {
    this.scroller = scroller;
    this.view = view;
    this.following = true;
    this.seen = view.total; // how many lines there were when it was left
    this.awaited = null; // a line to go to once it is known whether it is shown
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
    this.following = false;
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
    if (!scroller.isInSight(row)) scroller.showCentred(row);
    view.redrawAll();
  }

  // Other lines are shown.
  arrive() {
    if (this.awaited) this.goTo(this.awaited);
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
    this.awaited = null;
  }
}
