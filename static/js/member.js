// A page among those of its browser that hear over one connection. One of them leads: it
// has the connection, and hands on to each page what that page wants. Which one is said
// by a lock, which the browser gives to the next when a page closes or crashes. Each page
// holds a lock of its own, too, so that the leader hears when it is gone.

import { Connection } from "./connection.js";

const BEAT_MS = 2_000;
const SILENT_BEATS = 4; // then a leader that is still there does nothing any more
// Only pages that show the same person's tasks share, and only of one protocol.
const GROUP = `streams/1/${document.getElementById("texts").dataset.viewer}`;

export class Member {
  // take({ key, event }), take({ lost }) or take({ isRefused })
  constructor(take) {
    this.take = take;
    this.id = crypto.randomUUID();
    this.wants = new Map();
    this.silence = 0;
    this.isOver = false;
    this.over = new Promise((resolve) => {
      this.end = resolve;
    });
    this.news = listenTo(GROUP, (message) => this.told(message));
    this.mail = listenTo(mailOf(this.id), (message) => this.received(message));
    this.beat = setInterval(() => this.tick(), BEAT_MS);
    this.enter();
    this.stand();
  }

  async enter() {
    try {
      await navigator.locks.request(mailOf(this.id), () => {
        this.isIn = !this.isOver;
        this.tell();
        return this.over;
      });
    } catch {
      // See stand().
    }
  }

  want(key, reader) {
    this.wants.set(key, reader);
    if (this.connection) this.connection.want(`${this.id} ${key}`, reader.source, reader.after);
    else this.tell();
  }

  drop(key) {
    this.wants.delete(key);
    if (this.connection) this.connection.drop(`${this.id} ${key}`);
    else this.tell();
  }

  leave() {
    this.isOver = true;
    clearInterval(this.beat);
    this.turn.abort();
    this.stopLeading();
    this.news.close();
    this.mail.close();
    this.end();
  }

  // --- One that follows ------------------------------------------------------------------

  // To whoever leads, from where on it wants what.
  tell() {
    if (!this.isIn || this.connection) return;
    const wants = [...this.wants].map(([key, { source, after }]) => [key, source, after]);
    this.news.postMessage({ page: this.id, wants });
  }

  told({ leader, page, wants }) {
    if (this.connection) {
      if (page) this.serve(page, wants);
      return;
    }
    if (!leader) return;
    this.silence = 0;
    if (leader === this.leader) return;
    this.leader = leader;
    this.tell();
  }

  received({ from, events = [], ...message }) {
    // What an earlier leader still had to hand on comes again from this one.
    if (this.connection || from !== (this.leader ??= from)) return;
    this.silence = 0;
    for (const each of events) this.take(each);
    this.take(message);
  }

  tick() {
    if (this.connection) this.news.postMessage({ leader: this.id });
    else if (++this.silence > SILENT_BEATS) this.stand({ steal: true });
  }

  // --- The one that leads ----------------------------------------------------------------

  async stand({ steal = false } = {}) {
    this.turn?.abort();
    this.silence = 0;
    const turn = new AbortController();
    this.turn = turn;
    try {
      const options = steal ? { steal } : { signal: turn.signal };
      await navigator.locks.request(GROUP, options, () => this.lead());
    } catch (error) {
      if (turn.signal.aborted) return;
      this.stopLeading();
      if (error.name === "AbortError") this.stand(); // another took the lead
      else this.lead(); // there are no locks for this page: it hears alone
    }
  }

  lead() {
    if (this.isOver) return this.over;
    this.leader = this.id;
    this.pages = new Map();
    this.reign = new AbortController();
    this.soon = new MessageChannel();
    this.soon.port1.onmessage = () => this.handOnQueues();
    this.connection = new Connection({
      take: (key, event) => this.handOn(key, event),
      lost: (lost) => this.handOnToAll({ lost }),
      refused: () => this.handOnToAll({ isRefused: true }),
    });
    for (const [key, reader] of this.wants) this.want(key, reader);
    this.news.postMessage({ leader: this.id });
    return this.over;
  }

  stopLeading() {
    if (!this.connection) return;
    this.connection.close();
    this.connection = null;
    this.reign.abort();
    this.soon.port1.close();
    for (const page of this.pages.values()) page.mail.close();
  }

  serve(id, wants) {
    const page = this.pages.get(id) ?? this.welcome(id);
    const keys = new Set(wants.map(([key]) => key));
    for (const key of page.keys) {
      if (!keys.has(key)) this.connection.drop(`${id} ${key}`);
    }
    for (const [key, source, after] of wants) {
      if (!page.keys.has(key)) this.connection.want(`${id} ${key}`, source, after);
    }
    page.keys = keys;
  }

  welcome(id) {
    const page = { mail: new BroadcastChannel(mailOf(id)), keys: new Set(), queue: [] };
    this.pages.set(id, page);
    const { signal } = this.reign;
    const gone = () => signal.aborted || this.forget(id);
    navigator.locks.request(mailOf(id), { signal }, gone).catch(() => {});
    return page;
  }

  forget(id) {
    const page = this.pages.get(id);
    for (const key of page.keys) this.connection.drop(`${id} ${key}`);
    page.mail.close();
    this.pages.delete(id);
  }

  handOn(name, event) {
    const [id, number] = name.split(" ");
    const key = Number(number);
    if (id === this.id) this.take({ key, event });
    else this.queue(this.pages.get(id), { key, event });
  }

  // What comes in one burst goes in one message: for each of their own, a burst would take
  // twice as long. A timer would wait a second in a page that nobody sees.
  queue(page, message) {
    if (!page) return;
    page.queue.push(message);
    if (page.queue.length === 1) this.soon.port2.postMessage(null);
  }

  handOnQueues() {
    for (const page of this.pages.values()) {
      if (page.queue.length) page.mail.postMessage({ from: this.id, events: page.queue });
      page.queue = [];
    }
  }

  handOnToAll(message) {
    this.take(message);
    this.handOnQueues();
    for (const { mail } of this.pages.values()) mail.postMessage({ from: this.id, ...message });
  }
}

function mailOf(id) {
  return `${GROUP}/${id}`;
}

function listenTo(name, take) {
  const channel = new BroadcastChannel(name);
  channel.addEventListener("message", ({ data }) => take(data));
  return channel;
}
