// Ticks, of which two lead to a comparison, and the bar that says what can be done.

export function mountTicks(form) {
  const bar = form.querySelector("[data-compare-bar]");
  if (!bar) return;
  const said = bar.querySelector("[data-ticked]");
  const ticked = () => [...form.querySelectorAll("input:checked")];

  function show() {
    const count = ticked().length;
    bar.dataset.count = count;
    bar.querySelector("[data-two]").disabled = count !== 2;
    said.textContent = count ? said.dataset.many.replace("{n}", count) : "";
  }

  form.addEventListener("change", show);
  form.addEventListener("reset", () => {
    for (const box of ticked()) box.checked = false; // also what the browser remembered
    show();
  });
  addEventListener("pageshow", show);
}
