// Handles what comes in the order in which it came, for some milliseconds at a time. A
// browser hands on all that one read of the network brought in one go, a thousand lines
// in a burst, and clicks and frames would wait for the last of them.

const SLICE_MS = 8;
const MOST_WAITING = 4_000_000; // characters; beyond that nobody may send more

export class Slices {
  // handle(text)
  constructor(handle) {
    this.handle = handle;
    this.clear();
    this.turn = new MessageChannel(); // a timer would wait in a page that nobody sees
    this.turn.port1.onmessage = () => this.work(performance.now() + SLICE_MS);
  }

  add(text) {
    this.waiting.push(text);
    this.size += text.length;
    if (this.waiting.length === 1) this.soon();
    if (this.size > MOST_WAITING) this.work(Infinity);
  }

  soon() {
    this.turn.port2.postMessage(null);
  }

  work(until) {
    const { waiting } = this;
    while (this.waiting === waiting && this.next < waiting.length) {
      if (performance.now() > until) return this.soon();
      try {
        this.handle(waiting[this.next++]);
      } catch (error) {
        reportError(error); // as a browser does with one event among others
      }
    }
    if (this.waiting === waiting) this.clear();
  }

  // Forgets what waits.
  clear() {
    this.waiting = [];
    this.next = this.size = 0;
  }

  close() {
    this.clear();
    this.turn.port1.close();
  }
}
