// Ribbons: days begin at the reader's own midnight, and a card beside the pointer says
// of a segment what the list behind the ribbon says.

import { showMoments } from "./moments.js";

const SEGMENT = "[data-ribbon] [data-segment]";
const EDGE_PERCENT = 3; // as in ribbon.py
const APART = 10; // pixels between the card and what it is of
let card = null;
let shown = null; // the segment that the card is of

export function mountRibbons() {
  showRibbons(document);
  // It does not bubble, but it is caught on its way down.
  document.addEventListener("swapped", ({ target }) => showRibbons(target), true);
  document.addEventListener("pointerover", ({ target }) => {
    const segment = target.closest?.(SEGMENT) ?? null;
    if (segment === shown) return;
    if (segment) showCard(segment);
    else hideCard();
  });
  document.addEventListener("scroll", hideCard, { capture: true, passive: true });
}

function showRibbons(root) {
  hideCard();
  showMoments(root);
  for (const ribbon of root.querySelectorAll("[data-ribbon]")) showDays(ribbon);
}

function showDays(ribbon) {
  const since = Number(ribbon.dataset.since);
  const length = Number(ribbon.dataset.until) - since;
  for (const tick of ribbon.querySelectorAll("[data-day]")) {
    const [year, month, day] = tick.dataset.day.split("-").map(Number);
    const place = (100 * (new Date(year, month - 1, day) - since)) / length;
    tick.setAttribute("x", `${place.toFixed(3)}%`);
    const anchor = place < EDGE_PERCENT ? "start" : place > 100 - EDGE_PERCENT ? "end" : "middle";
    tick.querySelector("text")?.setAttribute("text-anchor", anchor);
    if (place < 0 || place > 100) tick.setAttribute("display", "none");
    else tick.removeAttribute("display");
  }
}

function showCard(segment) {
  const { segment: number } = segment.dataset;
  const ribbon = segment.closest("[data-ribbon]");
  const item = ribbon.querySelector("ol").children[number];
  hideCard();
  shown = segment;
  card = document.createElement("div");
  card.className = "ribbon-card";
  card.setAttribute("aria-hidden", "true"); // the list says it
  card.append(...[...item.childNodes].map((node) => node.cloneNode(true)));
  // The browser would put its own beside it.
  for (const title of ribbon.querySelectorAll("title")) title.remove();
  document.body.append(card);
  putBeside(segment.getBoundingClientRect());
}

function putBeside(place) {
  const { width, height } = card.getBoundingClientRect();
  const middle = place.left + place.width / 2 - width / 2;
  const left = Math.max(8, Math.min(middle, document.documentElement.clientWidth - width - 8));
  const above = place.top - height - APART;
  card.style.left = `${left}px`;
  card.style.top = `${above < 8 ? place.bottom + APART : above}px`;
}

function hideCard() {
  card?.remove();
  card = shown = null;
}
