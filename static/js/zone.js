// The reader's time zone, which the server learns from a cookie: it puts tasks under the
// days of that zone.

const YEAR_SECONDS = 31_536_000;
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const isTold = () => document.cookie.split("; ").includes(`zone=${zone}`);

// Returns whether the server did not know it yet, and does from the next request on.
export function tellZone() {
  if (!zone || isTold()) return false;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `zone=${zone}; path=/; max-age=${YEAR_SECONDS}; samesite=lax${secure}`;
  return isTold();
}

// The day of a moment in a zone, as a date field has it.
export function dayIn(name, moment) {
  const parts = { year: "numeric", month: "2-digit", day: "2-digit", timeZone: name };
  return new Intl.DateTimeFormat("en-CA", parts).format(moment);
}
