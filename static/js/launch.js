// The launch forms: one shown at a time, checked, and sent. Without script they are
// plain forms; what the server answers is the same.

import { answered } from "./api.js";
import { mountPlan } from "./launch_plan.js";
import { mountVersions } from "./launch_versions.js";
import { FOR_A_PART, isSignedOut } from "./session.js";
import { text } from "./text.js";

export function mountLaunch() {
  const forms = [...document.querySelectorAll("form[data-launch]")];
  for (const link of document.querySelectorAll("a[data-type]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      choose(link.dataset.type, forms);
    });
  }
  for (const form of forms) mountForm(form, forms);
  const open = chosenForm();
  if (open) focusFirst(open);
}

function mountForm(form, forms) {
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start(form);
  });
  form.addEventListener("input", (event) => {
    mark(event.target, "");
    showChange(event.target.closest("[data-field]"));
  });
  form.querySelector('[data-part="close-form"]').addEventListener("click", (event) => {
    event.preventDefault();
    close(form, forms);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close(form, forms);
  });
  mountPlan(form);
  mountVersions(form);
}

function chosenForm() {
  return document.querySelector("form[data-launch]:not([hidden])");
}

function choose(type, forms) {
  const before = chosenForm();
  const typed = before ? texts(before) : [];
  const values = Object.fromEntries(typed.map((input) => [input.name, input.value]));
  show(type, forms);
  const form = chosenForm();
  // The version that was typed for one type is most likely meant for the next.
  for (const input of texts(form)) {
    if (!input.value && values[input.name]) input.value = values[input.name];
  }
  // A reload, and a link pasted into a chat, show the same form.
  const url = new URL(location.href);
  url.searchParams.set("type", type);
  history.replaceState(null, "", url);
  focusFirst(form);
  form.dispatchEvent(new Event("chosen"));
}

// The form of a type; none where that is "".
function show(type, forms) {
  for (const form of forms) form.hidden = form.dataset.launch !== type;
  document.querySelector('[data-part="forms"]').hidden = !type;
  document.querySelector(".home").classList.toggle("starting", Boolean(type));
  for (const link of document.querySelectorAll("a[data-type]")) {
    link.removeAttribute("aria-current");
    if (link.dataset.type === type) link.setAttribute("aria-current", "true");
  }
}

function close(form, forms) {
  show("", forms);
  const url = new URL(location.href);
  for (const name of [...url.searchParams.keys()]) {
    if (!name.startsWith("recent-")) url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
  document.querySelector(`a[data-type="${form.dataset.launch}"]`).focus();
}

function focusFirst(form) {
  const fields = [...form.querySelectorAll("[data-field] :is(input, select)")];
  const first = fields.find((field) => field.type !== "hidden" && !field.value);
  (first ?? fields.find((field) => field.type !== "hidden"))?.focus({ preventScroll: true });
  if (form.getBoundingClientRect().top < 0) form.scrollIntoView();
}

function inputs(form) {
  return [...form.querySelectorAll("[data-field] :is(input:not([type=hidden]), select)")];
}

function texts(form) {
  return inputs(form).filter((input) => input.type === "text");
}

function confirmation(form) {
  return form.querySelector("[data-again] input");
}

// Says beside a field what the task that is run again had there, where that is another.
function showChange(field) {
  const was = field?.querySelector('[data-part="was"]');
  if (was) was.hidden = valueOf(field) === field.dataset.was;
}

function valueOf(field) {
  const data = new FormData(field.closest("form"));
  return data.getAll(field.dataset.field).at(-1) ?? "";
}

function problemOf(input) {
  if (input.type === "checkbox" || input.type === "radio") return "";
  if (!input.value) return input.required ? text("required") : "";
  const { pattern } = input.dataset;
  if (!pattern || fits(input.value, pattern)) return "";
  const { example } = input.dataset;
  const meant = example ? example[0] + input.value : "";
  if (meant && fits(meant, pattern)) return text("didYouMean", { value: meant });
  return example ? text("useTheForm", { example }) : text("mustMatch", { pattern });
}

function fits(value, pattern) {
  try {
    return new RegExp(`^(?:${pattern})$`, "u").test(value);
  } catch {
    return true; // a pattern that only Python knows: the server checks it
  }
}

function problemOfConfirmation(form, typed) {
  const name = typed.closest("[data-again]").dataset.again;
  const word = name ? inputs(form).find((input) => input.name === name).value : form.dataset.launch;
  return typed.value.trim() === word ? "" : text("typeAgain", { word: word || text("theVersion") });
}

function mark(input, problem) {
  const help = input.closest(".field")?.querySelector("[data-error]");
  if (!help) return;
  help.dataset.hint ??= help.classList.contains("wrong") ? "" : help.textContent;
  input.removeAttribute("aria-invalid");
  if (problem) input.setAttribute("aria-invalid", "true");
  help.classList.toggle("wrong", Boolean(problem));
  help.textContent = problem || help.dataset.hint;
}

function showProblem(form, words) {
  const place = form.querySelector("[data-problem]");
  place.hidden = !words;
  place.textContent = words;
}

async function start(form) {
  showProblem(form, "");
  const all = inputs(form);
  for (const input of all) mark(input, problemOf(input));
  const typed = confirmation(form);
  if (typed) mark(typed, problemOfConfirmation(form, typed));
  const wrong = form.querySelector("[aria-invalid]");
  if (wrong) return wrong.focus();
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  const button = form.querySelector("button.act");
  button.setAttribute("aria-disabled", "true");
  await send(form);
  delete form.dataset.busy;
  button.removeAttribute("aria-disabled");
}

async function send(form) {
  try {
    const body = new URLSearchParams(new FormData(form));
    const sent = fetch(form.action, { method: "POST", body, headers: FOR_A_PART });
    const answer = await answered(sent, (words) => showProblem(form, words));
    showProblem(form, "");
    if (answer.status === 400) showRefusal(form, await answer.text());
    else if (new URL(answer.url).pathname.startsWith("/tasks/")) location.assign(answer.url);
    else if (await isSignedOut()) showProblem(form, text("signInFirst"));
    else showProblem(form, `${answer.status} ${answer.statusText}`);
  } catch {
    showProblem(form, text("unreachable"));
  }
}

// The page that came back says beside each field what is wrong with it.
function showRefusal(form, html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const general = [...page.querySelectorAll(".messages li")].map((li) => li.textContent);
  for (const help of page.querySelectorAll(`form[data-launch="${form.dataset.launch}"] .wrong`)) {
    const input = document.querySelector(`[aria-describedby~="${help.id}"]`);
    if (input) mark(input, help.textContent);
    else general.push(help.textContent);
  }
  form.querySelector("[aria-invalid]")?.focus();
  showProblem(form, general.join(" "));
}
