// One task's events in order, each line once, across any number of connections.

import { hear, leave } from "./sharing.js";

const REFUSED_RETRY_MS = 5_000;

export class TaskStream {
  // after: seq of the last line that was handed on; handlers: connected(task),
  // line(log), update(task), degraded(outage), end(end), lost(since), refused(), back(), gone(),
  // rested()
  constructor(taskId, after, handlers) {
    this.source = taskId;
    this.after = after;
    this.handlers = handlers;
    this.lostSince = null;
    hear(this);
  }

  take(event) {
    if (event.type === "closed") {
      this.closed(event);
      return;
    }
    if (this.lostSince) {
      this.lostSince = null;
      this.handlers.back();
    }
    if (event.type === "connected") this.handlers.connected(event.task);
    else if (event.type === "log") this.takeLine(event.log);
    else if (event.type === "update") this.handlers.update(event.task);
    else if (event.type === "degraded") this.handlers.degraded(event);
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

  // The server has nothing to give of it. A task that is shorter than its log here may
  // get its last lines back, after a crash of the database.
  closed({ status }) {
    leave(this);
    if (status === 404) this.handlers.gone();
    else {
      this.lost(new Date());
      this.timer = setTimeout(() => hear(this), REFUSED_RETRY_MS);
    }
  }

  lost(since) {
    if (this.lostSince) return;
    this.lostSince = since;
    this.handlers.lost(since);
  }

  refused() {
    this.handlers.refused();
  }

  rested() {
    this.lostSince = null;
    this.handlers.rested();
  }

  close() {
    clearTimeout(this.timer);
    leave(this);
  }
}
