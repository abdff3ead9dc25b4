// A question: a page of the server's that asks before something is done, here in a
// dialog. Without script it is that page.

import { Problem, answered } from "./api.js";
import { FOR_A_PART, showSignedOut } from "./session.js";
import { text } from "./text.js";
import { refreshTimes } from "./times.js";

export class Question {
  // say(words): what went wrong while no question is open; "" takes it back. gaveUp: the
  // text for who closes it while it waits for an answer.
  constructor(dialog, say, gaveUp) {
    Object.assign(this, { dialog, say, gaveUp });
    dialog?.addEventListener("close", () => {
      this.request?.abort();
      // What lies behind an outcome is of before.
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
    refreshTimes(question);
    if (!this.dialog.open) this.dialog.showModal();
    this.isDone = question.matches("[data-outcome]");
    if (this.isDone) question.querySelector("[autofocus]").focus();
    else this.listen(question);
  }

  listen(question) {
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
    const button = question.querySelector('button[type="submit"]');
    button.setAttribute("aria-disabled", "true");
    try {
      const body = new URLSearchParams(new FormData(question));
      const sent = pageOf(question.action, { method: "POST", body, signal });
      const { url, page } = await answered(sent, say);
      const next = page.querySelector("[data-question], [data-outcome]");
      if (next) this.open(next);
      else follow(url);
    } catch (error) {
      if (signal.aborted) this.say(text(this.gaveUp));
      else say(wordsOf(error));
    }
    this.request = null;
    button.removeAttribute("aria-disabled");
  }
}

// Links with data-ask open their page in a dialog.
export function mountQuestions() {
  const place = document.querySelector('main [data-part="problem"]');
  const say = (words) => {
    place.hidden = !words;
    place.textContent = words;
  };
  const dialog = document.getElementById("question");
  const question = new Question(dialog, say, "gaveUpAsking");
  let asked = "";
  // The part with the link may have been put into the page anew meanwhile.
  dialog.addEventListener("close", () => linkTo(asked)?.focus());
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-ask]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    asked = link.href;
    question.ask(asked);
  });
}

function linkTo(url) {
  const links = [...document.querySelectorAll("a[data-ask]")];
  return links.find(({ href }) => href === url);
}

function follow(url) {
  if (url === location.href) location.reload();
  else location.assign(url);
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
