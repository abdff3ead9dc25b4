// One dialog that names the thing and its consequence, and answers true or false.

const dialog = () => document.getElementById("ask");

export function ask(words) {
  const place = dialog();
  rephrase(words);
  place.returnValue = "";
  place.showModal();
  return new Promise((resolve) => {
    place.addEventListener("close", () => resolve(place.returnValue === "yes"), {
      once: true,
    });
  });
}

// The question stands, and says what has become true meanwhile.
export function rephrase({ title, consequence, yes, no }) {
  for (const [part, words] of Object.entries({ title, consequence, yes, no })) {
    const place = dialog().querySelector(`[data-part="${part}"]`);
    if (place.textContent !== words) place.textContent = words;
  }
}

// There is nothing to ask any more.
export function withdraw() {
  dialog().close("");
}
