// Single keys, while nobody types and no dialog is open; and the way into the palette.

import { mountPalette } from "./palette.js";

export function mountKeys(actions) {
  mountPalette();
  for (const button of document.querySelectorAll("[data-open]")) {
    button.hidden = false;
    button.addEventListener("click", () => open(button.dataset.open));
  }
  const all = { "?": () => open("keys"), ...actions };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const action = all[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

function open(id) {
  document.getElementById(id).showModal();
}

function isTyping(target) {
  return target.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

// What the keys of a log and its task do; panel() is the one on the page now, if any.
export function panelKeys(panel) {
  return {
    g: () => panel()?.log.reader.top(),
    G: () => panel()?.log.reader.follow(true),
    f: () => panel()?.log.toggleFollow(),
    n: () => panel()?.log.finder.step(1),
    N: () => panel()?.log.finder.step(-1),
    y: () => panel()?.log.bar.copyLink(),
    t: () => panel()?.log.looks.nextTimes(),
    w: () => panel()?.log.looks.toggleWrap(),
    z: () => panel()?.log.zoom?.toggle(),
    c: () => panel()?.cancel.ask(),
    r: () => panel()?.rerun.ask(),
  };
}
