// One connection to the server for all that is wanted at a time: it is opened anew, from
// the last line that was handed on, where that changes and where it is lost.

import { spread } from "./retry.js";
import { Slices } from "./slices.js";

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 15_000;
// The server says something each 15 s; a connection that is silent for much longer is
// dead, though nobody has told the browser.
const LONGEST_SILENCE_MS = 40_000;
const LOOK_MS = 5_000;
const GATHER_MS = 50; // what is wanted and dropped within it is one change
const MOST_SOURCES = 32; // that the server takes

export class Connection {
  // handlers: take(key, event), lost(since), refused()
  constructor(handlers) {
    this.handlers = handlers;
    this.wants = new Map(); // key → source and seq of the last line that was handed on
    this.opened = []; // the keys of the sources that are open, in the response's order
    this.retryMs = FIRST_RETRY_MS;
    this.lostSince = null;
    this.events = new Slices((words) => (words ? this.take(JSON.parse(words)) : this.failed()));
    this.watch = setInterval(() => this.listen(), LOOK_MS);
  }

  want(key, source, after) {
    this.wants.set(key, { source, after });
    this.openSoon(GATHER_MS);
  }

  drop(key) {
    if (this.wants.delete(key)) this.openSoon(GATHER_MS);
  }

  openSoon(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), ms);
  }

  open() {
    this.shut();
    this.opened = [...this.wants.keys()].slice(-MOST_SOURCES);
    if (!this.opened.length) return;
    const query = this.opened.map((key) => ["source", named(this.wants.get(key))]);
    this.heard = Date.now();
    this.stream = new EventSource(`/api/streams?${new URLSearchParams(query)}`);
    this.stream.onmessage = ({ data }) => {
      this.heard = Date.now();
      this.events.add(data);
    };
    this.stream.onerror = () => this.broke();
  }

  take(event) {
    this.lostSince = null;
    this.retryMs = FIRST_RETRY_MS;
    if (event.type === "source") this.current = this.opened[event.index];
    else if (event.type !== "keep-alive") this.handOn(this.current, event);
  }

  handOn(key, event) {
    const want = this.wants.get(key);
    if (!want) return; // dropped meanwhile
    if (event.type === "log") want.after = event.log.seq;
    if (event.type === "end" || event.type === "closed") this.wants.delete(key);
    if (!this.wants.size) this.shut();
    this.handlers.take(key, event);
  }

  listen() {
    if (!this.stream || Date.now() - this.heard < LONGEST_SILENCE_MS) return;
    this.lose(new Date(this.heard));
    this.open();
  }

  // The browser would try again by itself, but from where this response began. What came
  // before is handed on first.
  broke() {
    this.isRefused = this.stream.readyState === EventSource.CLOSED;
    this.stream.close();
    this.events.add("");
  }

  failed() {
    this.shut();
    this.lose(new Date());
    if (this.isRefused) this.handlers.refused();
    this.openSoon(spread(this.retryMs));
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
  }

  lose(since) {
    this.lostSince ??= since;
    this.handlers.lost(this.lostSince);
  }

  shut() {
    clearTimeout(this.timer);
    this.stream?.close();
    this.stream = null;
    this.events.clear();
  }

  close() {
    clearInterval(this.watch);
    this.shut();
    this.events.close();
  }
}

function named({ source, after }) {
  return after === undefined ? source : `${source}:${after}`;
}
