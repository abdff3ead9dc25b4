// When lines that come are drawn: once a frame at most, and in a flood more seldom, so
// that the page stays usable.

const SHARE_OF_TIME = 4; // a fifth of the time at most goes into drawing
const HIDDEN_MS = 500; // a page in the background gets no frames

export class Pace {
  constructor(draw) {
    this.draw = draw;
    this.isWaiting = false;
    this.cost = 0; // milliseconds that it took the last time
  }

  soon() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    const now = () => this.now();
    if (document.hidden) setTimeout(now, HIDDEN_MS);
    else setTimeout(() => requestAnimationFrame(now), this.cost * SHARE_OF_TIME);
  }

  now() {
    const began = performance.now();
    this.isWaiting = false;
    this.draw();
    this.cost = performance.now() - began;
  }
}
