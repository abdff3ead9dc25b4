// Links that show this task to people without an account: made, listed, withdrawn.

import { get, post, remove } from "./api.js";
import { exact, number, person, text } from "./text.js";

export function mountShare() {
  const dialog = document.getElementById("share");
  if (dialog) new TaskShare(dialog);
}

class TaskShare {
  constructor(dialog) {
    this.dialog = dialog;
    this.api = dialog.dataset.taskApi;
    this.url = dialog.querySelector("#share-url");
    document.querySelector('[data-part="share"]').addEventListener("click", () => this.open());
    this.part("make").addEventListener("click", () => this.act(() => this.make()));
    this.part("copy").addEventListener("click", () => this.copy());
    dialog.addEventListener("close", () => this.forget());
  }

  part(name) {
    return this.dialog.querySelector(`[data-part="${name}"]`);
  }

  open() {
    this.dialog.showModal();
    this.act(() => this.list());
  }

  // The link is said once; whoever opens the dialog again makes another.
  forget() {
    this.url.value = "";
    this.part("made").hidden = true;
    this.part("said").textContent = "";
  }

  async act(what) {
    this.part("share-problem").hidden = true;
    try {
      await what();
    } catch (problem) {
      const isOurs = Boolean(problem.errors);
      this.part("share-problem").textContent = isOurs ? problem.message : text("noAnswer");
      this.part("share-problem").hidden = false;
    }
  }

  async make() {
    const expiresIn = this.dialog.querySelector("#share-life").value;
    const { url } = await post(`${this.api}/share`, { expiresIn });
    this.url.value = url;
    this.part("made").hidden = false;
    this.url.select();
    await this.list();
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.url.value);
      this.part("said").textContent = text("copiedLink");
    } catch {
      this.url.select(); // over plain HTTP there is no clipboard
      this.part("said").textContent = text("notCopied");
    }
  }

  async list() {
    const answer = await get(`${this.api}/shares`);
    const rows = (answer?.shares ?? []).map((share) => this.rowOf(share));
    this.part("links").replaceChildren(...rows);
  }

  rowOf(share) {
    const row = document.createElement("li");
    const until = exact(new Date(share.expiresAt));
    const who = person(share.createdBy);
    const state = share.withdrawnAt ? "shareWithdrawn" : share.usable ? "shareUntil" : "shareExpired";
    const said = text(state, { until, who, n: number(share.opened) });
    row.append(said, " ");
    if (share.usable) row.append(this.withdrawal(share));
    return row;
  }

  withdrawal(share) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text("withdraw");
    button.addEventListener("click", () =>
      this.act(async () => {
        await remove(`/api/shares/${share.id}`);
        await this.list();
      }),
    );
    return button;
  }
}
