// An export that somebody chooses is checked by this server's script, not by the one that
// stands in the file, of which nobody knows who wrote it. The file stays in the browser.

import { digestOfText } from "./digest.js";

const form = document.querySelector("[data-part=check-export]");
const { file, digest, signature } = form?.elements ?? {};

if (file) {
  file.closest("p").hidden = false;
  file.addEventListener("change", read);
}

async function read() {
  const [chosen] = file.files;
  if (!chosen) return;
  const page = new DOMParser().parseFromString(await chosen.text(), "text/html");
  const main = page.querySelector("main");
  const signed = page.getElementById("signature")?.textContent.trim();
  file.setCustomValidity(main && signed ? "" : form.dataset.noExport);
  if (!file.reportValidity()) return;
  digest.value = await digestOfText(main);
  signature.value = signed;
  form.requestSubmit();
}
