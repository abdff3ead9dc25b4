// Keeps the parts of a page that change by themselves true. Nothing moves under a pointer
// that is about to click, and the focus stays where it is. The parts are HTML from the
// server.

import { fetchPart } from "./session.js";
import { refreshTimes } from "./times.js";

const REFRESH_MS = 10_000;
const AT_MOST_EACH_MS = 1_000;
export const STORE_ASKED_AGAIN_MS = 3_000; // the server answers so long from one reading
const RESTS_MS = 8_000; // a pointer that has not moved for so long is not about to click
const last = new Map();
let path = () => "/live";
let timer = 0;
let refreshedAt = -Infinity;
let movedAt = -Infinity;
let resting = 0;

// address: where the parts are; needed(): whether nobody else tells of changes.
export function mountLive({ address = path, needed = () => true } = {}) {
  path = address;
  setInterval(() => {
    if (!document.hidden && needed()) refreshLive();
  }, REFRESH_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshLive();
  });
  const moved = () => {
    movedAt = performance.now();
  };
  for (const type of ["pointermove", "pointerdown"]) {
    document.addEventListener(type, moved, { capture: true, passive: true });
  }
}

// However often it is called, the server is asked once a second at most.
export function refreshSoon() {
  if (timer || document.hidden) return;
  const wait = Math.max(50, refreshedAt + AT_MOST_EACH_MS - performance.now());
  timer = setTimeout(() => {
    timer = 0;
    refreshLive();
  }, wait);
}

// For what is live: another process of the server, or this one before a release that ended
// just now, may have read the store shortly before.
export function refreshOnceMore() {
  setTimeout(refreshSoon, STORE_ASKED_AGAIN_MS);
}

export async function refreshLive() {
  refreshedAt = performance.now();
  const address = path();
  const parts = await fetchPart(address);
  // Where there is none the next turn tries again; what stands there stays.
  if (!parts || address !== path()) return;
  for (const part of parts.querySelectorAll("[data-swap]")) {
    const place = document.getElementById(part.dataset.swap);
    if (place) swap(place, part);
  }
}

function swap(place, part) {
  const html = part.innerHTML;
  if (last.get(place.id) === html) return;
  if (isPointedAt(place)) {
    place.addEventListener("pointerleave", refreshLive, { once: true });
    clearTimeout(resting);
    resting = setTimeout(refreshLive, RESTS_MS);
    return;
  }
  last.set(place.id, html);
  const opened = new Map([...place.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));
  const focused = place.contains(document.activeElement) && document.activeElement;
  place.replaceChildren(...part.childNodes);
  for (const details of place.querySelectorAll("details[id]")) {
    details.open = opened.get(details.id) ?? details.open;
  }
  refreshTimes(place);
  place.dispatchEvent(new Event("swapped"));
  if (focused) twinOf(focused, place)?.focus({ preventScroll: true });
}

function isPointedAt(place) {
  const isStill = performance.now() - movedAt >= RESTS_MS;
  return !isStill && place.matches(":hover") && place.querySelector("a") !== null;
}

// What now stands where this stood. Two links may lead to one task.
function twinOf(old, place) {
  const kind = ({ localName, href = "", parentElement: { localName: parent, id } }) =>
    [localName, href, parent, id].join(" ");
  const all = [...place.querySelectorAll("a, button, summary")];
  return all.find((element) => kind(element) === kind(old));
}
