// The levels of lines that are shown: any of them, from a list that drops down. None
// chosen is all of them.

export class Levels {
  // changed(): others are chosen
  constructor(place, changed) {
    this.place = place;
    this.boxes = [...place.querySelectorAll("input")];
    this.summary = place.querySelector("summary");
    place.addEventListener("change", () => {
      this.say();
      changed();
    });
    place.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("click", (event) => {
      if (!place.contains(event.target)) place.open = false;
    });
    place.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !place.contains(relatedTarget)) place.open = false;
    });
  }

  // As the address and the API have it: words with commas between.
  get value() {
    const chosen = this.boxes.filter((box) => box.checked).map((box) => box.value);
    return chosen.length < this.boxes.length ? chosen.join(",") : "";
  }

  set value(words) {
    const chosen = new Set(words.split(","));
    for (const box of this.boxes) box.checked = chosen.has(box.value);
    this.say();
  }

  say() {
    const chosen = this.value ? this.boxes.filter((box) => box.checked) : [];
    const words = chosen.map((box) => box.parentElement.textContent.trim());
    this.summary.textContent = words.join(", ") || this.summary.dataset.all;
  }

  key(event) {
    if (event.key !== "Escape" || !this.place.open) return;
    event.preventDefault();
    this.place.open = false;
    this.summary.focus();
  }
}
