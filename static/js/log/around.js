// What is said around the lines: how many there are and how many are new, which step and
// group the line at the top belongs to, and the first error.

import { ENDED } from "../status.js";
import { counted, number, text } from "../text.js";
import { titleOf } from "./step_title.js";

export class Around {
  // status(): that of the task
  constructor(part, landmarks, status) {
    Object.assign(this, { part, landmarks, status });
  }

  // seq: of the line at the top, 0 if there is none; unseen: how many lines are new;
  // isEmpty: no line is like what is asked for
  show({ total, unseen, following, seq, isEmpty }) {
    if (total !== this.total) this.showTotal(total);
    this.part("more").hidden = !unseen;
    if (unseen) this.part("more").textContent = `↓ ${counted("newLine", "newLines", unseen)}`;
    if (following !== this.following) this.showFollowing(following);
    this.showNone(total, isEmpty);
    this.showWhere(seq);
    this.showFirstError(total);
  }

  showFollowing(following) {
    this.following = following;
    this.part("follow").setAttribute("aria-pressed", String(following));
  }

  showTotal(total) {
    this.total = total;
    this.part("count").textContent = counted("line", "lines", total);
    const digits = Math.max(4, String(total).length);
    if (digits === this.digits) return;
    this.digits = digits;
    this.part("log").style.setProperty("--digits", digits); // all rows anew
  }

  showNone(total, isEmpty) {
    this.part("none").hidden = total > 0 && !isEmpty;
    const none = ENDED.has(this.status()) ? "noneAtAll" : "noneYet";
    this.part("none").textContent = text(total ? "noneLike" : none);
  }

  // Only what has been scrolled past: a heading that is in sight says it itself.
  showWhere(seq) {
    const step = this.landmarks.stepAt(seq - 1);
    const isWithin = step && step.seq < seq && seq <= step.end;
    const group = this.landmarks.groupAt(seq);
    const words = [isWithin && titleOf(step), group?.title].filter(Boolean).join(" · ");
    this.head = group?.seq ?? (isWithin ? step.seq : null);
    const place = this.part("where");
    if (place.textContent !== words) place.textContent = words;
    place.disabled = !words;
  }

  showFirstError(total) {
    const link = this.part("first-error");
    const firstError = this.firstError(total);
    link.hidden = !firstError;
    if (link.hidden) return;
    const { seq, message } = firstError;
    const words = text("firstError", { n: number(seq), message });
    if (link.getAttribute("aria-label") === words) return;
    link.href = `#L${seq}`;
    link.title = words;
    link.setAttribute("aria-label", words);
    link.textContent = message;
  }

  // The program's: what the service says last, of a task that failed or was cancelled,
  // is none.
  firstError(total) {
    const { cause, firstError } = this.landmarks;
    return cause ?? (firstError?.seq === this.ownWords(total) ? null : firstError);
  }

  // The line in which the service says how a task failed or who cancelled it; 0 if none.
  ownWords(total) {
    return ["failed", "cancelled"].includes(this.status()) ? total : 0;
  }

  // Of all lines of level error those that are the program's, and what a traceback names.
  errorsAmong(ranges, total) {
    const own = this.ownWords(total);
    const { cause } = this.landmarks;
    const found = own && ranges.has(own) ? ranges.without([[own, own]]) : ranges;
    return cause && !found.has(cause.seq) ? found.with(cause.seq) : found;
  }
}
