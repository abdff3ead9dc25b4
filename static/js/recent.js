// The filters of the recent tasks: the address is their state, and nothing else on the
// page is lost when they change.

import { refreshLive } from "./live.js";

const PREFIX = "recent-";

// Where the console's parts are, with the filters that the address has.
export function partsAddress() {
  return `/live/console?${recentOf(new URLSearchParams(location.search))}`;
}

export function mountRecent() {
  const form = document.querySelector("form[data-filters]");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const url = new URL(location.href);
    for (const [name, value] of new FormData(form)) {
      if (value) url.searchParams.set(name, value);
      else url.searchParams.delete(name);
    }
    // Enter in a search field is told twice.
    if (url.href !== location.href) history.pushState(null, "", url);
    refreshLive();
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  form.addEventListener("search", () => form.requestSubmit(), true);
  addEventListener("popstate", () => {
    showAddress(form);
    refreshLive();
  });
  // Whatever the browser remembers of the fields.
  addEventListener("pageshow", () => showAddress(form));
}

function showAddress(form) {
  const query = new URLSearchParams(location.search);
  for (const field of form.elements) {
    if (field.name) field.value = query.get(field.name) ?? "";
  }
}

function recentOf(query) {
  return new URLSearchParams([...query].filter(([name]) => name.startsWith(PREFIX)));
}
