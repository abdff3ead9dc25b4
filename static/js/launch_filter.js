// The filter over the list of task types: what is typed is looked for in their titles
// and names, and Enter opens the first one left.

export function mountTypeFilter() {
  const input = document.querySelector('[data-part="type-filter"]');
  if (!input) return () => {};
  input.closest("label").hidden = false;
  input.addEventListener("input", () => filter(input.value));
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear(input);
    if (event.key !== "Enter") return;
    event.preventDefault();
    const first = document.querySelector("a[data-type]:not([hidden])");
    clear(input);
    first?.click();
  });
  return () => input.focus();
}

function clear(input) {
  input.value = "";
  filter("");
}

function filter(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const links = [...document.querySelectorAll("a[data-type]")];
  for (const link of links) {
    const text = link.dataset.words.toLowerCase();
    link.hidden = !words.every((word) => text.includes(word));
  }
  for (const group of document.querySelectorAll('[data-part="type-group"]')) {
    group.hidden = !group.querySelector("a[data-type]:not([hidden])");
  }
  const none = document.querySelector('[data-part="no-type"]');
  none.hidden = links.some((link) => !link.hidden);
}
