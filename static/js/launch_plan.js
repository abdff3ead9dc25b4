// What will happen if a form is sent: asked of the server a moment after the last key.

import { fetchPart } from "./session.js";

const QUIET_MS = 300;
const AGAIN_MS = 2000; // what takes longer to compare is asked for again

export function mountPlan(form) {
  const place = form.querySelector('[data-part="plan"]');
  let timer = 0;
  let asked = "";
  const ask = async () => {
    const query = queryOf(form);
    asked = query;
    const part = await fetchPart(`/live/plan?${query}`);
    if (!part || asked !== query) return;
    place.replaceChildren(...part.body.childNodes);
    if (place.querySelector('[data-state="pending"]')) timer = setTimeout(ask, AGAIN_MS);
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, QUIET_MS);
  });
  form.addEventListener("chosen", ask);
  if (!form.hidden) ask();
}

// No secret: it has no business in an address, and decides nothing here.
function queryOf(form) {
  const query = new URLSearchParams({ type: form.dataset.launch });
  for (const field of form.querySelectorAll("[data-field]")) {
    if (field.querySelector("input[type=password]")) continue;
    const values = new FormData(form).getAll(field.dataset.field);
    if (values.at(-1)) query.set(field.dataset.field, values.at(-1));
  }
  return query.toString();
}
