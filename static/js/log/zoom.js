// The log alone, as large as the window. Kept in the page's entry of the browser's history,
// as the place in the log is.

import { announce } from "../announce.js";
import { text } from "../text.js";

export class Zoom {
  // focus(): into the log
  constructor(button, focus) {
    Object.assign(this, { button, focus });
    this.box = button.closest(".log-box");
    button.hidden = false;
    button.addEventListener("click", () => this.toggle());
    document.addEventListener("keydown", (event) => this.key(event));
    if (history.state?.isZoomed) this.set(true);
  }

  get isOn() {
    return "zoomed" in this.box.dataset;
  }

  toggle() {
    this.set(!this.isOn);
    announce(text(this.isOn ? "zoomed" : "notZoomed"));
  }

  set(isOn) {
    this.box.toggleAttribute("data-zoomed", isOn);
    this.button.setAttribute("aria-pressed", String(isOn));
    history.replaceState({ ...history.state, isZoomed: isOn }, "");
    // What had the focus may be hidden now.
    if (isOn && !this.box.contains(document.activeElement)) this.focus();
  }

  // Only where Escape does nothing else, such as to let go of lines.
  key(event) {
    if (event.key !== "Escape" || event.defaultPrevented || !this.isOn) return;
    if (!document.querySelector("dialog[open]")) this.toggle();
  }
}
