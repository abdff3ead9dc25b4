// Filters that apply at once, and an address that has only those that are set.

export function mountFilters(form) {
  form.addEventListener("change", ({ target }) => {
    if (!isTypedDate(target)) form.requestSubmit();
  });
  form.addEventListener("focusout", ({ target, relatedTarget }) => {
    const isLeft = !form.contains(relatedTarget);
    if (isLeft && isTypedDate(target) && target.value !== target.defaultValue) form.requestSubmit();
  });
  form.addEventListener("keydown", ({ target, key }) => {
    if (target.type === "date" && key !== "Enter") target.dataset.typed = "";
  });
  form.addEventListener("pointerdown", ({ target }) => delete target.dataset.typed);
  form.addEventListener("formdata", ({ formData }) => leaveOutEmpty(formData));
  const more = form.querySelector("[data-more]");
  more?.addEventListener("click", () => {
    more.ariaExpanded = more.ariaExpanded === "true" ? "false" : "true";
  });
  addEventListener("pageshow", () => form.reset()); // to what the address says
}

// While a date is typed each of its digits is a change.
function isTypedDate(field) {
  return field.type === "date" && "typed" in field.dataset;
}

function leaveOutEmpty(data) {
  for (const [name, value] of [...data]) if (!value) data.delete(name);
  const isByDay = ["from", "to", "on"].some((name) => data.has(name));
  if (!isByDay) data.delete("tz"); // only days mean another time elsewhere
}
