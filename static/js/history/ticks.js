// Two ticks that lead to a comparison, and the bar that says so.

export function mountTicks(form) {
  const bar = form.querySelector("[data-compare-bar]");
  if (!bar) return;
  const said = bar.querySelector("[data-ticked]");
  const ticked = () => [...form.querySelectorAll("input:checked")];
  let order = ticked();

  function show() {
    const count = ticked().length;
    bar.dataset.count = count;
    bar.querySelector("[type=submit]").disabled = count !== 2;
    said.textContent = ["", said.dataset.one, said.dataset.two][count];
  }

  // A third tick takes the place of the first of the two before it.
  form.addEventListener("change", ({ target }) => {
    order = order.filter((box) => box !== target);
    if (target.checked) order.push(target);
    while (order.length > 2) order.shift().checked = false;
    show();
  });
  form.addEventListener("reset", () => {
    for (const box of ticked()) box.checked = false; // also what the browser remembered
    order = [];
    show();
  });
  addEventListener("pageshow", () => {
    order = ticked().slice(-2);
    show();
  });
}
