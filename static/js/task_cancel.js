// The button that cancels a task, and then forces its end.

import { Problem, post } from "./api.js";
import { ask } from "./ask.js";
import { text } from "./text.js";

export class TaskCancel {
  // panel: its name, api, hasEnded, log, part(), cancelling(task), showError(words)
  constructor(panel) {
    this.panel = panel;
    this.form = panel.part("cancel");
    this.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
  }

  // What can still be asked.
  show({ cancelRequestedAt, cancelForced }) {
    if (!this.form) return;
    const isDone = this.panel.hasEnded || cancelForced;
    if (isDone && this.form.contains(document.activeElement)) this.panel.log.focus();
    this.form.hidden = isDone;
    this.panel.part("rerun").hidden = !this.panel.hasEnded;
    if (cancelRequestedAt) this.offerForce();
  }

  offerForce() {
    const button = this.form.querySelector("button");
    this.form.elements.force.disabled = false;
    button.textContent = text("force");
    button.title = text("forceConsequence");
  }

  async ask() {
    if (!this.form || this.form.hidden) return;
    const { name, api } = this.panel;
    const force = !this.form.elements.force.disabled;
    const agreed = await ask({
      title: text(force ? "forceQuestion" : "cancelQuestion", { name }),
      consequence: text(force ? "forceConsequence" : "cancelConsequence"),
      yes: text(force ? "force" : "cancelTask"),
      no: text(force ? "keepWaiting" : "letRun"),
    });
    if (!agreed) return;
    try {
      const task = await post(`${api}/cancel`, { force });
      if (!this.panel.hasEnded) this.panel.cancelling(task);
    } catch (error) {
      const words = error instanceof Problem ? error.message : text("noAnswer");
      if (!this.panel.hasEnded) this.panel.showError(words);
    }
  }
}
