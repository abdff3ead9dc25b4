// Ribbons: days begin at the reader's own midnight, and a card beside the pointer, or
// beside the segment that the keyboard is at, says of it what the list behind the ribbon
// says. It stays with its segment, also where the page draws that anew.

import { hintAt, mountPicking, showPicked } from "./ribbon_picking.js";

const SEGMENT = "[data-ribbon] [data-segment]";
const LINK = "[data-ribbon] > ol a";
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
    else if (!isOfKeyboard()) hideCard();
  });
  document.documentElement.addEventListener("pointerleave", () => {
    if (!isOfKeyboard()) hideCard();
  });
  document.addEventListener("focusin", ({ target }) => {
    if (target.matches(LINK)) showCard(segmentAt(target), { isPointed: true });
  });
  document.addEventListener("focusout", ({ target }) => {
    if (target.matches(LINK)) hideCard();
  });
  document.addEventListener("scroll", stayBeside, { capture: true, passive: true });
  mountPicking(segmentAt);
}

// The segment of a place: of a link in the list, or of a mark, which stands where the
// segment of a rollback begins.
function segmentAt(place) {
  const link = place.closest?.(LINK);
  const part = link ? null : place.closest?.(SEGMENT);
  if (!link && !part) return null;
  const ribbon = place.closest("[data-ribbon]");
  const items = [...ribbon.querySelectorAll("ol > li")];
  const number = link ? items.indexOf(link.parentElement) : part.dataset.segment;
  return ribbon.querySelector(`.ribbon-segment[data-segment="${number}"]`);
}

function isOfKeyboard() {
  return shown !== null && "pointed" in shown.dataset;
}

// Where the pointer has left it by scrolling, the browser says so a moment later.
function stayBeside() {
  if (shown) putBeside(shown.getBoundingClientRect());
}

function showRibbons(root) {
  showPicked(root);
  for (const ribbon of root.querySelectorAll("[data-ribbon]")) showDays(ribbon);
  if (shown?.isConnected === false) followSegment();
  else stayBeside();
}

// The page has drawn the segment of the card anew.
function followSegment() {
  const { ribbon } = shown.closest("[data-ribbon]").dataset;
  const same = `.${shown.classList[0]}[data-number="${shown.dataset.number}"]`;
  const now = document.querySelector(`[data-ribbon="${ribbon}"] ${same}`);
  if (now) showCard(now, { isPointed: isOfKeyboard() });
  else hideCard();
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

// isPointed: by the keyboard, which leaves no pointer beside it
function showCard(segment, { isPointed = false } = {}) {
  const { segment: number } = segment.dataset;
  const ribbon = segment.closest("[data-ribbon]");
  const item = ribbon.querySelector("ol").children[number];
  hideCard();
  shown = segment;
  shown.toggleAttribute("data-pointed", isPointed);
  card = document.createElement("div");
  card.className = "ribbon-card hover-card";
  card.setAttribute("aria-hidden", "true"); // the list says it
  const said = item.querySelector("a") ?? item;
  card.append(...[...said.childNodes].map((node) => node.cloneNode(true)), hintAt(ribbon));
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
  shown?.removeAttribute("data-pointed");
  card = shown = null;
}
