// Keeps the list of recent tasks and the "no runner" strip true, moving nothing that
// is being pointed at and never the focus.

import { fetchPart } from "./session.js";
import { refreshTimes } from "./times.js";

const REFRESH_MS = 10_000;
const last = new Map();

export function mountLive() {
  setInterval(() => {
    if (!document.hidden) refreshLive();
  }, REFRESH_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refreshLive();
  });
}

export async function refreshLive() {
  const parts = await fetchPart("/live");
  if (!parts) return; // the next turn tries again; what stands there stays
  for (const part of parts.querySelectorAll("[data-swap]")) {
    const place = document.getElementById(part.dataset.swap);
    if (place) swap(place, part);
  }
}

function swap(place, part) {
  const html = part.innerHTML;
  if (last.get(place.id) === html) return;
  if (place.matches(":hover") && place.querySelector("a")) {
    place.addEventListener("pointerleave", refreshLive, { once: true });
    return;
  }
  last.set(place.id, html);
  const focused = place.contains(document.activeElement) && document.activeElement;
  place.replaceChildren(...part.childNodes);
  refreshTimes(place);
  if (!focused) return;
  const same = [...place.querySelectorAll("a")].find((link) => link.href === focused.href);
  same?.focus({ preventScroll: true });
}
