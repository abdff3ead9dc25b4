// What changes among all tasks, for a page that shows many of them.

import { hear } from "./sharing.js";

export class Events {
  source = "events";
  isConnected = false;

  // handlers: connected(), event(data), lost(since), refused()
  constructor(handlers) {
    this.handlers = handlers;
    hear(this);
  }

  take(event) {
    if (event.type === "connected") {
      this.isConnected = true;
      this.handlers.connected();
    } else this.handlers.event(event);
  }

  lost(since) {
    this.isConnected = false;
    this.handlers.lost(since);
  }

  refused() {
    this.handlers.refused();
  }

  rested() {
    this.isConnected = false;
  }
}
