// The way into the palette: a button and Ctrl-K. What it is made of is fetched when it
// is opened for the first time.

const isMac = /Mac|iPhone|iPad/u.test(navigator.platform);
let palette = null;

export function mountPalette() {
  const button = document.querySelector("[data-palette]");
  const dialog = document.getElementById("palette");
  if (!button || !dialog) return;
  button.hidden = false;
  if (isMac) button.querySelector("kbd").textContent = "⌘K";
  button.addEventListener("click", () => open(dialog));
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !isAsked(event)) return;
    const other = document.querySelector("dialog[open]");
    if (other && other !== dialog) return;
    event.preventDefault();
    if (other) dialog.close();
    else open(dialog);
  });
}

function isAsked({ ctrlKey, metaKey, shiftKey, altKey }) {
  return (isMac ? metaKey && !ctrlKey : ctrlKey && !metaKey) && !shiftKey && !altKey;
}

// What is typed meanwhile is kept: the field has the focus before the rest is there.
async function open(dialog) {
  dialog.showModal();
  try {
    const [{ Palette }] = await Promise.all([import("./palette/dialog.js"), dressed(dialog)]);
    palette ??= new Palette(dialog);
    dialog.classList.remove("unseen");
    palette.open();
  } catch {
    dialog.close(); // no answer; the next try asks again
  }
}

// Resolves when the dialog's own sheet is there.
function dressed(dialog) {
  const sheet = dialog.querySelector("link");
  if (!sheet.disabled) return null;
  return new Promise((resolve, reject) => {
    sheet.addEventListener("load", resolve, { once: true });
    sheet.addEventListener("error", reject, { once: true });
    sheet.disabled = false;
  });
}
