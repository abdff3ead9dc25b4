// Words and numbers as people read them, in the page's language.

const texts = JSON.parse(document.getElementById("texts").textContent);
export const language = document.documentElement.lang || "en";
const numbers = new Intl.NumberFormat(language);

export function text(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

export function number(n) {
  return numbers.format(n);
}

export function counted(one, many, n) {
  return text(n === 1 ? one : many, { n: number(n) });
}

// What people call whoever acted; tasks/presenters/names.py says the same.
export function person(name) {
  if (name?.startsWith("schedule:")) return text("ofSchedule", { name: name.slice(9) });
  return name === "bootstrap" ? text("settingsKey") : name;
}

export function duration(seconds) {
  if (seconds < 1) return text("ms", { n: Math.round(Math.max(seconds, 0) * 1000) });
  if (seconds < 10) return text("seconds", { s: seconds.toFixed(1) });
  const whole = Math.floor(seconds);
  const h = Math.floor(whole / 3600);
  const m = Math.floor(whole / 60) % 60;
  const s = whole % 60;
  if (h) return text("hours", { h, m });
  return m ? text("minutes", { m, s }) : text("seconds", { s });
}

// Whole seconds: tenths of a clock that runs would flicker.
export function ticking(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  return seconds < 10 ? text("seconds", { s: seconds }) : duration(seconds);
}

export function ago(moment, now) {
  const seconds = Math.floor((now - moment) / 1000);
  if (seconds < 10) return text("justNow");
  if (seconds < 60) return text("secondsAgo", { n: seconds });
  if (seconds < 3600) return text("minutesAgo", { n: Math.floor(seconds / 60) });
  if (seconds < 86400) return text("hoursAgo", { n: Math.floor(seconds / 3600) });
  const days = Math.floor(seconds / 86400);
  return text(days === 1 ? "dayAgo" : "daysAgo", { n: days });
}

const two = (n) => String(n).padStart(2, "0");

// In the reader's own zone, which the foot of the page names once.
export function clock(moment, { milliseconds = false } = {}) {
  const time = [moment.getHours(), moment.getMinutes(), moment.getSeconds()];
  const hms = time.map(two).join(":");
  if (!milliseconds) return hms;
  return `${hms}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
}

export function exact(moment) {
  const day = [moment.getMonth() + 1, moment.getDate()].map(two).join("-");
  return `${moment.getFullYear()}-${day} ${clock(moment)}`;
}
