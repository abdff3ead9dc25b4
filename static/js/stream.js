// One task's events in order, each line once, across any number of connections.

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;
// The server says something each 15 s; a connection that is silent for much longer is
// dead, though nobody has told the browser.
const LONGEST_SILENCE_MS = 40_000;
const LOOK_MS = 5_000;

export class TaskStream {
  // handlers: connected(task), line(log), update(task), end(end), lost(since),
  // refused(), back()
  constructor(path, after, handlers) {
    this.path = path;
    this.after = after; // seq of the last line that was handed on
    this.handlers = handlers;
    this.retryMs = FIRST_RETRY_MS;
    this.lostSince = null;
    this.open();
    this.watch = setInterval(() => this.listen(), LOOK_MS);
  }

  open() {
    const query = this.after ? `?lastEventId=${this.after}` : "";
    this.heard = Date.now();
    this.source = new EventSource(this.path + query);
    this.source.onmessage = (event) => this.take(JSON.parse(event.data));
    this.source.onerror = () => this.failed();
  }

  listen() {
    if (Date.now() - this.heard < LONGEST_SILENCE_MS) return;
    clearTimeout(this.timer);
    this.source.close();
    this.lose(new Date(this.heard));
    this.open();
  }

  take(event) {
    this.heard = Date.now();
    if (this.lostSince) {
      this.lostSince = null;
      this.handlers.back();
    }
    this.retryMs = FIRST_RETRY_MS;
    if (event.type === "connected") this.handlers.connected(event.task);
    else if (event.type === "log") this.takeLine(event.log);
    else if (event.type === "update") this.handlers.update(event.task);
    else if (event.type === "end") {
      this.close();
      this.handlers.end(event);
    }
  }

  takeLine(log) {
    if (log.seq <= this.after) return;
    this.after = log.seq;
    this.handlers.line(log);
  }

  failed() {
    this.lose(new Date());
    // While CONNECTING the browser tries again by itself; after an answer that is no
    // stream (a proxy's 502, say) it never does.
    if (this.source.readyState !== EventSource.CLOSED || this.isClosed) return;
    this.handlers.refused();
    this.timer = setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  lose(since) {
    if (this.lostSince) return;
    this.lostSince = since;
    this.handlers.lost(since);
  }

  close() {
    this.isClosed = true;
    clearInterval(this.watch);
    clearTimeout(this.timer);
    this.source.close();
  }
}
