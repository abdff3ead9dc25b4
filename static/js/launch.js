// The launch forms: one shown at a time, checked, and sent to the API.

import { Problem, post } from "./api.js";
import { ask } from "./ask.js";
import { text } from "./text.js";

export function mountLaunch({ started }) {
  const forms = [...document.querySelectorAll("form[data-launch]")];
  for (const link of document.querySelectorAll("a[data-type]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(link.dataset.type, forms);
    });
  }
  for (const form of forms) {
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      start(form, started);
    });
    form.addEventListener("input", (event) => mark(event.target, ""));
  }
}

export function chosenForm() {
  return document.querySelector("form[data-launch]:not([hidden])");
}

function choose(type, forms) {
  const before = values(chosenForm());
  for (const form of forms) form.hidden = form.dataset.launch !== type;
  for (const link of document.querySelectorAll("a[data-type]")) {
    link.toggleAttribute("aria-current", link.dataset.type === type);
    if (link.dataset.type === type) link.setAttribute("aria-current", "true");
  }
  // The version that was typed for one type is most likely meant for the next.
  for (const input of inputs(chosenForm())) {
    if (!input.value && before[input.name] && input.type === "text") {
      input.value = before[input.name];
    }
  }
  rememberInAddress({ type });
}

// A reload, and a link pasted into a chat, show the same; never a secret.
export function rememberInAddress(changes) {
  const url = new URL(location.href);
  for (const [key, value] of Object.entries(changes)) url.searchParams.set(key, value);
  history.replaceState(null, "", url);
}

function inputs(form) {
  return [...form.querySelectorAll("[data-field] input, [data-field] select")];
}

function values(form) {
  const filled = inputs(form).filter((input) => input.value);
  return Object.fromEntries(filled.map((input) => [input.name, input.value]));
}

function problemOf(input) {
  if (!input.value) return input.required ? text("required") : "";
  const { pattern } = input.dataset;
  if (!pattern) return "";
  try {
    if (new RegExp(`^(?:${pattern})$`, "u").test(input.value)) return "";
  } catch {
    return ""; // a pattern that only Python knows: the server checks it
  }
  return text("mustMatch", { pattern });
}

function mark(input, problem) {
  const help = input.closest("[data-field]")?.querySelector("[data-error]");
  if (!help) return;
  help.dataset.hint ??= help.classList.contains("wrong") ? "" : help.textContent;
  input.toggleAttribute("aria-invalid", Boolean(problem));
  if (problem) input.setAttribute("aria-invalid", "true");
  help.classList.toggle("wrong", Boolean(problem));
  help.textContent = problem || help.dataset.hint;
}

function showProblem(form, words) {
  const place = form.querySelector("[data-problem]");
  place.hidden = !words;
  place.textContent = words;
}

async function start(form, started) {
  showProblem(form, "");
  const all = inputs(form);
  for (const input of all) mark(input, problemOf(input));
  const wrong = all.find((input) => input.hasAttribute("aria-invalid"));
  if (wrong) return wrong.focus();
  if (form.hasAttribute("data-confirm") && !(await agreed(form))) return;
  const button = form.querySelector("button.act");
  button.setAttribute("aria-disabled", "true");
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  try {
    started(await post(form.dataset.endpoint, values(form)));
  } catch (error) {
    showRefusal(form, error);
  } finally {
    delete form.dataset.busy;
    button.removeAttribute("aria-disabled");
  }
}

function agreed(form) {
  const name = form.dataset.launch;
  const open = inputs(form).filter((input) => input.type !== "password");
  const all = [name, ...open.map((input) => input.value)].join(" ").trim();
  return ask({
    title: text("startQuestion", { name: all }),
    consequence: text("startConsequence"),
    yes: text("startTask", { name }),
    no: text("dontStart"),
  });
}

function showRefusal(form, error) {
  if (!(error instanceof Problem)) return showProblem(form, text("unreachable"));
  let first = null;
  const rest = [];
  for (const [field, messages] of Object.entries(error.errors)) {
    const input = inputs(form).find((one) => one.name === field);
    if (!input) rest.push(...messages);
    else {
      mark(input, messages.join(" "));
      first ??= input;
    }
  }
  if (first) first.focus();
  if (rest.length || !first) showProblem(form, rest.join(" ") || error.message);
}
