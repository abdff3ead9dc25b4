// Two versions of a ribbon are chosen by Shift and a click, or Enter; the second leads to
// what they differ by.

import { announce } from "./announce.js";
import { text } from "./text.js";

let picked = null; // platform, version and number of the first one

// segmentAt(target): the segment that was clicked, if any
export function mountPicking(segmentAt) {
  document.addEventListener("click", (event) => {
    const segment = event.shiftKey && event.button === 0 && segmentAt(event.target);
    if (!segment) return;
    event.preventDefault(); // else a link opens a window
    pick(segment);
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") take(null);
  });
}

function pick(segment) {
  const { ribbon: platform, compare } = segment.closest("[data-ribbon]").dataset;
  const { version, number } = segment.dataset;
  const other = { platform, version, number: Number(number) };
  if (picked?.platform !== platform) return take(other);
  if (picked.version === version) return take(null);
  const [from, to] = [picked, other].sort((a, b) => a.number - b.number);
  const isHere = location.pathname === compare;
  const query = new URLSearchParams(isHere ? location.search : "");
  for (const [name, value] of Object.entries({ platform, from: from.version, to: to.version })) {
    query.set(name, value);
  }
  location.assign(`${compare}?${query}#compared`);
}

function take(one) {
  if (picked === one) return;
  picked = one;
  showPicked(document);
  for (const hint of document.querySelectorAll(".said-hint")) hint.textContent = said(one);
  if (one) announce(text("pickedVersion", one));
}

export function showPicked(root) {
  for (const segment of root.querySelectorAll("[data-ribbon] .ribbon-segment")) {
    const { ribbon: platform } = segment.closest("[data-ribbon]").dataset;
    const isPicked = picked?.platform === platform && picked.number === Number(segment.dataset.number);
    segment.toggleAttribute("data-picked", isPicked);
  }
}

// What Shift does, for the card of a segment.
export function hintAt(ribbon) {
  const element = document.createElement("span");
  element.className = "said-hint";
  element.textContent = said(picked?.platform === ribbon.dataset.ribbon ? picked : null);
  return element;
}

function said(first) {
  return first ? text("pickedVersion", first) : text("pickVersions");
}
