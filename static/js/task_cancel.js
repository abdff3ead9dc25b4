// The button that cancels a task, and then forces its end.

import { Problem, answered, post } from "./api.js";
import { ask, rephrase, withdraw } from "./ask.js";
import { text } from "./text.js";

export class TaskCancel {
  // panel: its name, api, status, hasEnded, log, part(), cancelling(task), update(task),
  // showState(), showProblem(words)
  constructor(panel) {
    this.panel = panel;
    this.isSent = false; // and not answered yet
    this.form = panel.part("cancel");
    this.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
  }

  // What can still be asked.
  show({ cancelRequestedAt, cancelForced }) {
    for (const name of ["rerun", "with-changes", "export"]) {
      const again = this.panel.part(name);
      if (again) again.hidden = !this.panel.hasEnded;
    }
    if (!this.form) return;
    const isDone = this.panel.hasEnded || cancelForced;
    if (isDone && this.form.contains(document.activeElement)) this.panel.log.focus();
    this.form.hidden = isDone;
    if (cancelRequestedAt) this.offerForce();
    if (this.question && isDone) withdraw();
    else if (this.question) rephrase(this.words());
  }

  offerForce() {
    const button = this.form.querySelector("button");
    this.form.elements.force.disabled = false;
    button.textContent = text("force");
    button.title = text("forceConsequence");
  }

  async ask() {
    if (!this.form || this.form.hidden || this.isSent || this.question) return;
    const force = !this.form.elements.force.disabled;
    this.question = { force };
    const agreed = await ask(this.words());
    this.question = null;
    if (agreed && !this.panel.hasEnded) await this.send(force);
  }

  words() {
    const { name, status } = this.panel;
    if (this.question.force) {
      return {
        title: text("forceQuestion", { name }),
        consequence: text("forceConsequence"),
        yes: text("force"),
        no: text("keepWaiting"),
      };
    }
    const isWaiting = status === "pending";
    return {
      title: text("cancelQuestion", { name }),
      consequence: text(isWaiting ? "cancelWaiting" : "cancelConsequence"),
      yes: text("cancelTask"),
      no: text(isWaiting ? "keepQueued" : "letRun"),
    };
  }

  async send(force) {
    const { panel } = this;
    this.wait(true);
    try {
      const say = (words) => panel.showProblem(words);
      const task = await answered(post(`${panel.api}/cancel`, { force }), say);
      panel.showProblem("");
      this.wait(false);
      if (panel.hasEnded) return;
      if (task.completedAt) panel.update(task);
      else panel.cancelling(task);
    } catch (error) {
      this.wait(false);
      const words = error instanceof Problem ? error.message : text("noAnswer");
      if (!panel.hasEnded) panel.showProblem(words);
    }
  }

  wait(isSent) {
    this.isSent = isSent;
    this.form.querySelector("button").disabled = isSent;
    if (isSent) this.panel.showProblem("");
    this.panel.showState();
  }
}
