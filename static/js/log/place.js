// Where the reader is, kept in the page's entry of the browser's history: a reload, and
// the way back, show the same lines again.

const REST_MS = 300; // browsers refuse an entry that changes with each frame

export class Place {
  // here(): {seq, offset, following}
  constructor(here) {
    this.here = here;
    window.addEventListener("pagehide", () => this.keep());
  }

  get kept() {
    return history.state?.log ?? null;
  }

  soon() {
    this.timer ??= setTimeout(() => this.keep(), REST_MS);
  }

  keep() {
    clearTimeout(this.timer);
    this.timer = null;
    const log = this.here();
    if (!log.seq || JSON.stringify(log) === JSON.stringify(this.kept)) return;
    history.replaceState({ ...history.state, log }, "");
  }
}
