// A chosen file is checked by this server's script, not by the one that stands in it, of which
// nobody knows who wrote it. The file stays in the browser; its digest and signature go out.

import { Sha256 } from "./digest.js";

const SIGNED = /<!-- signed: ([\w-]+) -->\n$/; // as tasks/presenters/export/document.py has it
const PIECE = 1024 * 1024;
const form = document.querySelector("[data-part=check-export]");
const { file, digest, signature } = form.elements;

form.hidden = false;
file.addEventListener("change", read);

async function read() {
  const [chosen] = file.files;
  if (!chosen) return;
  const signed = SIGNED.exec(await chosen.slice(-100).text());
  file.setCustomValidity(signed ? "" : form.dataset.unsigned);
  if (!file.reportValidity()) return;
  digest.value = await digestOf(chosen.slice(0, -signed[0].length));
  signature.value = signed[1];
  form.requestSubmit();
}

async function digestOf(blob) {
  const digest = new Sha256();
  for (let from = 0; from < blob.size; from += PIECE) {
    digest.update(new Uint8Array(await blob.slice(from, from + PIECE).arrayBuffer()));
  }
  return digest.hex();
}
