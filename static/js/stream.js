// One task's events in order, each line once, across any number of connections.

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

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
  }

  open() {
    const query = this.after ? `?lastEventId=${this.after}` : "";
    this.source = new EventSource(this.path + query);
    this.source.onmessage = (event) => this.take(JSON.parse(event.data));
    this.source.onerror = () => this.failed();
  }

  take(event) {
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
    if (!this.lostSince) {
      this.lostSince = new Date();
      this.handlers.lost(this.lostSince);
    }
    // While CONNECTING the browser tries again by itself; after an answer that is no
    // stream (a proxy's 502, say) it never does.
    if (this.source.readyState !== EventSource.CLOSED || this.isClosed) return;
    this.handlers.refused();
    this.timer = setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.source.close();
  }
}
