// A question that is a page of the server's, asked in a dialog.

import { Problem, answered } from "./api.js";
import { FOR_A_PART, showSignedOut } from "./session.js";
import { text } from "./text.js";

export class Question {
  // say(words): shows beside the dialog what went wrong; "" where nothing did
  constructor(dialog, say) {
    this.dialog = dialog;
    this.say = say;
    dialog.addEventListener("close", () => {
      this.request?.abort();
      // What lies behind the dialog is of before.
      if (this.isDone) location.reload();
    });
  }

  async ask(path) {
    if (this.isAsking) return;
    this.isAsking = true;
    this.say("");
    try {
      const { page } = await answered(pageOf(path), this.say);
      this.say("");
      this.open(page.querySelector("[data-question]"));
    } catch (error) {
      this.say(wordsOf(error));
    }
    this.isAsking = false;
  }

  open(question) {
    this.dialog.replaceChildren(question);
    if (!this.dialog.open) this.dialog.showModal();
    this.isDone = question.matches("[data-outcome]");
    if (this.isDone) {
      question.querySelector("[autofocus]").focus();
      return;
    }
    question.querySelector("[data-no]").addEventListener("click", (event) => {
      event.preventDefault();
      this.dialog.close();
    });
    question.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(question);
    });
    question.querySelector("[aria-invalid]")?.focus();
  }

  async send(question) {
    if (this.request) return;
    const place = question.querySelector("[data-problem]");
    const say = (words) => {
      place.hidden = !words;
      place.textContent = words;
    };
    say("");
    this.request = new AbortController();
    const { signal } = this.request;
    const button = question.querySelector("button[type=submit]");
    button.setAttribute("aria-disabled", "true");
    try {
      const body = new URLSearchParams(new FormData(question));
      const sent = pageOf(question.action, { method: "POST", body, signal });
      const { url, page } = await answered(sent, say);
      const next = page.querySelector("[data-question], [data-outcome]");
      if (next) this.open(next);
      else location.assign(url);
    } catch (error) {
      if (signal.aborted) this.say(text("gaveUp"));
      else say(wordsOf(error));
    }
    this.request = null;
    button.removeAttribute("aria-disabled");
  }
}

// The page that answers; throws Problem where that says no.
async function pageOf(path, options) {
  const answer = await fetch(path, { headers: FOR_A_PART, ...options });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (new URL(answer.url).pathname.startsWith("/admin/login")) {
    showSignedOut(true);
    throw new Problem({ detail: text("signInFirst") });
  }
  // 400: what was typed is wrong, and the page says so.
  if (answer.ok || answer.status === 400) return { url: answer.url, page };
  const detail = page.querySelector("main p")?.textContent.trim();
  throw new Problem({ title: `${answer.status} ${answer.statusText}`, detail });
}

function wordsOf(error) {
  return error instanceof Problem ? error.message : text("noAnswer");
}
