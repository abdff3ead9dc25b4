// What the palette does on the page itself: it presses the buttons that do it.

const acts = {
  theme: () => document.querySelector("[data-theme-switch]").click(),
  language: ({ value }) => document.querySelector(`.languages [value="${value}"]`).click(),
  keys: () => document.querySelector('[data-open="keys"]').click(),
};

export function act(entry) {
  acts[entry.act](entry);
}
