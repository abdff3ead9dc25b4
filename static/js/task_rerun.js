// Running a task again: the question is a page of the server's, here in a dialog.

import { Question } from "./question.js";

export class TaskRerun {
  // panel: part(), showProblem(words)
  constructor(panel) {
    this.form = panel.part("rerun");
    this.form?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    const say = (words) => panel.showProblem(words);
    this.question = new Question(document.getElementById("rerun"), say, "gaveUp");
  }

  ask() {
    if (this.form && !this.form.hidden) this.question.ask(this.form.action);
  }
}
