// The menu that copies a message on a task's failure, to be pasted into a chat.

import { announce } from "./announce.js";
import { messageFor } from "./chat_message.js";
import { text } from "./text.js";

const SAID_MS = 2_000;

export class TaskChat {
  // panel: root, part(), showProblem(words)
  constructor(panel) {
    this.panel = panel;
    const { root } = panel;
    root.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("click", (event) => {
      if (!this.menu?.contains(event.target)) this.close();
    });
    root.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.menu?.open) return;
      this.close();
      this.menu.querySelector("summary").focus();
    });
    this.mount();
  }

  get menu() {
    return this.panel.part("chat");
  }

  // Browsers have a clipboard only where the page came by TLS, or from this machine.
  mount() {
    if (this.menu) this.menu.hidden = !navigator.clipboard;
  }

  close() {
    if (this.menu) this.menu.open = false;
  }

  async clicked(event) {
    const button = event.target.closest("[data-chat]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(messageFor(button.dataset.chat, this.facts()));
      this.say(button);
    } catch {
      this.panel.showProblem(text("notCopied"));
    }
  }

  facts() {
    const told = JSON.parse(document.getElementById("chat").textContent);
    const { name, shape, line } = told;
    const status = text("failed");
    return {
      ...told,
      headline: `${shape} ${text("statusNow", { name, status })}`,
      link: line ? text("openAtLine", { n: line }) : text("openTask"),
      url: location.origin + location.pathname + (line ? `#L${line}` : ""),
    };
  }

  // In the place that was clicked.
  say(button) {
    const words = button.textContent;
    button.textContent = text("copiedMessage");
    announce(text("copiedMessage"));
    setTimeout(() => {
      button.textContent = words;
      this.close();
    }, SAID_MS);
  }
}
