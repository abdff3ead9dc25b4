// The one event stream of a page that shows many tasks. A tab that nobody sees holds
// none: a browser has only six connections to a server.

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;

export class Events {
  // handlers: connected(), event(data), lost(since), refused()
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.retryMs = FIRST_RETRY_MS;
    this.lostSince = null;
    this.isConnected = false;
    document.addEventListener("visibilitychange", () => this.look());
    this.look();
  }

  look() {
    if (document.hidden) this.close();
    else if (!this.source) this.open();
  }

  open() {
    this.source = new EventSource(this.path);
    this.source.onmessage = (message) => this.take(JSON.parse(message.data));
    this.source.onerror = () => this.failed();
  }

  take(data) {
    if (data.type === "connected") {
      this.lostSince = null;
      this.isConnected = true;
      this.retryMs = FIRST_RETRY_MS;
      this.handlers.connected();
    } else if (data.type !== "keep-alive") this.handlers.event(data);
  }

  failed() {
    this.isConnected = false;
    this.lostSince ??= new Date();
    this.handlers.lost(this.lostSince);
    // While CONNECTING the browser tries again by itself; after an answer that is no
    // stream (a proxy's 502, say) it never does.
    if (this.source?.readyState !== EventSource.CLOSED) return;
    this.handlers.refused();
    this.timer = setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
    this.isConnected = false;
  }
}
