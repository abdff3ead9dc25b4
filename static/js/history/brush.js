// Dragging over a strip chooses its days; the date fields are the way without a mouse.

import { dayIn } from "../zone.js";

const LEAST_PIXELS = 6; // less is a click
const SVG = "http://www.w3.org/2000/svg";

// choose(from, to) is called with days as date fields have them.
export function mountBrush(strip, zone, choose) {
  strip.addEventListener("pointerdown", (down) => {
    if (down.button !== 0 || down.pointerType === "touch") return; // that scrolls
    const box = strip.getBoundingClientRect();
    const part = (event) => Math.min(1, Math.max(0, (event.clientX - box.x) / box.width));
    const veil = document.createElementNS(SVG, "rect");
    veil.setAttribute("class", "brush");
    veil.setAttribute("height", "100%");
    const ended = new AbortController();
    const isDrag = (event) => Math.abs(event.clientX - down.clientX) >= LEAST_PIXELS;

    function move(event) {
      if (!veil.isConnected && isDrag(event)) strip.append(veil);
      const [from, to] = [part(down), part(event)].sort((a, b) => a - b);
      veil.setAttribute("x", `${100 * from}%`);
      veil.setAttribute("width", `${100 * (to - from)}%`);
    }

    function up(event) {
      ended.abort();
      if (!veil.isConnected) return;
      const [from, to] = [part(down), part(event)].sort((a, b) => a - b);
      choose(dayIn(zone, momentAt(strip, from)), dayIn(zone, momentAt(strip, to)));
    }

    function giveUp() {
      ended.abort();
      veil.remove();
    }

    addEventListener("pointermove", move, { signal: ended.signal });
    addEventListener("pointerup", up, { signal: ended.signal });
    addEventListener("pointercancel", giveUp, { signal: ended.signal });
    addEventListener("keydown", ({ key }) => key === "Escape" && giveUp(), { signal: ended.signal });
  });
}

function momentAt(strip, part) {
  const [begin, end] = [Number(strip.dataset.begin), Number(strip.dataset.end)];
  return new Date(begin + part * (end - begin));
}
