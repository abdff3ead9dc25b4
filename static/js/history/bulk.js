// Cancelling or running again all that the filters find, or what is ticked.

import { Question } from "../question.js";

export function mountBulk(list) {
  const place = document.querySelector("[data-bulk-problem]");
  const say = (words) => {
    place.hidden = !words;
    place.textContent = words;
  };
  const dialog = document.getElementById("several");
  const question = new Question(dialog, say, "gaveUpAsking");
  for (const link of document.querySelectorAll("a[data-bulk]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      question.ask(link.href);
    });
  }
  list?.addEventListener("submit", (event) => {
    if (!event.submitter?.matches("[data-bulk]")) return;
    event.preventDefault();
    const ticked = new URLSearchParams(new FormData(list));
    question.ask(`${event.submitter.formAction}?${ticked}`);
  });
}
