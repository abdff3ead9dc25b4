// One dialog that names the thing and its consequence, and answers true or false.

export function ask({ title, consequence, yes, no }) {
  const dialog = document.getElementById("ask");
  const words = { title, consequence, yes, no };
  for (const [part, words_] of Object.entries(words)) {
    dialog.querySelector(`[data-part="${part}"]`).textContent = words_;
  }
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), {
      once: true,
    });
  });
}
