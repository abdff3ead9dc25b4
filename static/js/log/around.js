// What is said around the lines: how many there are and how many are new, what the line
// at the top belongs to, and the first error.

import { ENDED } from "../status.js";
import { counted, text } from "../text.js";

export class Around {
  // status(): that of the task
  constructor(part, landmarks, status) {
    Object.assign(this, { part, landmarks, status });
  }

  // seq: of the line at the top, 0 if there is none; unseen: how many lines are new;
  // isEmpty: no line is like what is asked for
  show({ total, unseen, following, seq, isEmpty }) {
    this.part("count").textContent = counted("line", "lines", total);
    this.part("more").hidden = !unseen;
    if (unseen) this.part("more").textContent = `↓ ${counted("newLine", "newLines", unseen)}`;
    this.part("follow").setAttribute("aria-pressed", String(following));
    this.part("log").style.setProperty("--digits", Math.max(4, String(total).length));
    this.showNone(total, isEmpty);
    this.showHead(seq);
    this.showFirstError(total);
  }

  showNone(total, isEmpty) {
    this.part("none").hidden = total > 0 && !isEmpty;
    const none = ENDED.has(this.status()) ? "noneAtAll" : "noneYet";
    this.part("none").textContent = text(total ? "noneLike" : none);
  }

  showHead(seq) {
    const step = this.landmarks.stepAt(seq);
    const group = this.landmarks.groupAt(seq);
    const words = [step?.message, group?.title].filter(Boolean).join(" · ");
    if (this.part("where").textContent !== words) this.part("where").textContent = words;
  }

  showFirstError(total) {
    const link = this.part("first-error");
    const firstError = this.firstError(total);
    link.hidden = !firstError;
    if (link.hidden) return;
    link.href = `#L${firstError.seq}`;
    link.textContent = text("firstError", { n: firstError.seq, message: firstError.message });
  }

  // The program's: what the service says last, of a task that failed or was cancelled,
  // is none.
  firstError(total) {
    const { cause, firstError } = this.landmarks;
    const isBad = ["failed", "cancelled"].includes(this.status());
    return cause ?? (isBad && firstError?.seq === total ? null : firstError);
  }
}
