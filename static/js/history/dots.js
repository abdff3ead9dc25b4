// The dots of a strip: a card that says what each is, and arrow keys from one to the next.

const GAP = 12;

export function mountDots(strip) {
  const dots = [...strip.querySelectorAll("a")].sort((a, b) => across(a) - across(b));
  if (!dots.length) return;
  for (const dot of dots) nameOf(dot);
  dots.at(-1).tabIndex = 0; // one place for the Tab key, however many there are
  strip.addEventListener("keydown", (event) => step(dots, event));
  for (const type of ["pointerover", "focusin"]) strip.addEventListener(type, show);
  for (const type of ["pointerout", "focusout", "pointerdown"]) strip.addEventListener(type, hide);
  strip.addEventListener("dragstart", (event) => event.preventDefault());
}

function across(dot) {
  return parseFloat(dot.querySelector("use").getAttribute("x"));
}

// The browser's own card would come a second later, over ours.
function nameOf(dot) {
  const title = dot.querySelector("title");
  dot.setAttribute("aria-label", title.textContent);
  title.remove();
}

function step(dots, event) {
  const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const at = dots.indexOf(document.activeElement);
  const next = dots[at + way];
  if (!way || at < 0 || !next) return;
  event.preventDefault();
  document.activeElement.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

const card = document.createElement("div");
card.className = "dot-card hover-card";
card.hidden = true;
card.ariaHidden = "true"; // the dot has its words as its name
document.body.append(card);

function show({ target }) {
  const dot = target.closest("a");
  if (!dot) return;
  card.replaceChildren(
    ...dot
      .getAttribute("aria-label")
      .split(" · ")
      .map((words) => Object.assign(document.createElement("span"), { textContent: words })),
  );
  card.hidden = false;
  const place = dot.querySelector("use").getBoundingClientRect();
  const middle = place.x + place.width / 2 - card.offsetWidth / 2;
  const most = document.documentElement.clientWidth - card.offsetWidth - GAP;
  card.style.left = `${scrollX + Math.max(GAP, Math.min(middle, most))}px`;
  card.style.top = `${scrollY + place.y - card.offsetHeight - 4}px`;
}

function hide() {
  card.hidden = true;
}
