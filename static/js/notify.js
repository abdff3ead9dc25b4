// Tells somebody who looks elsewhere that a task has ended: by the title of the tab,
// and by a notification of the browser where that was asked for.

import { text } from "./text.js";

export class Notify {
  constructor(button, name) {
    this.button = button;
    this.name = name;
    this.isOn = false;
    // Browsers have it only where the page came by TLS, or from this machine.
    const isThere = "Notification" in window && Notification.permission !== "denied";
    button.hidden = !isThere;
    button.addEventListener("click", () => this.toggle());
    document.addEventListener("visibilitychange", () => this.looked());
  }

  async toggle() {
    const isAllowed = this.isOn || (await Notification.requestPermission()) === "granted";
    this.isOn = !this.isOn && isAllowed;
    this.button.setAttribute("aria-pressed", String(this.isOn));
    if (!isAllowed) this.button.hidden = true;
  }

  show(shape) {
    document.title = document.title.replace(/^\S+/, shape);
  }

  ended(shape, status, sentence) {
    this.button.hidden = true;
    const words = text("statusNow", { name: this.name, status: text(status) });
    if (document.hidden) {
      this.title = document.title;
      document.title = `${shape} ${words}`;
    }
    if (!this.isOn) return;
    const note = new Notification(`${shape} ${words}`, { body: sentence ?? "" });
    note.addEventListener("click", () => window.focus());
  }

  looked() {
    if (document.hidden || !this.title) return;
    document.title = this.title;
    this.title = "";
  }
}
