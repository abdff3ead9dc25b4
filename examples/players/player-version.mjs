// Which version a player gets: the reference reader of a channel's pointer for browsers,
// Node 18 or newer, and whatever has crypto.subtle. player_version.py has the same rules
// in Python, PlayerVersion.ts without crypto.subtle for Cocos Creator, and
// pointer-vectors.json what each of them has to say.
//
// Signatures need a crypto.subtle that knows Ed25519 (Chrome 137, Firefox 129, Safari 17,
// Node 20), or another `verify`.

const FORMATS = ["release-pointer/1", "release-pointer/2"];

// The pointer is not to be followed; stay with the version that you have.
export class PointerError extends Error {}

// Resolves to { version, sha256, serial }: what a player gets by a pointer, and the serial
// that the client keeps for the next time.
//   content     the pointer's text, as the store or the CDN gave it
//   player      what stays the same for one player: an account or installation id
//   lastSerial  the highest serial seen so far, to be kept by the client: a CDN may give
//               an old pointer, and nobody should go back by accident
//   now         the time as ISO 8601 in UTC with milliseconds, as toISOString() gives it,
//               to honour an expiry; null: not looked at
//   trusted     the public keys that may have signed it, as 64 hex digits each, out of the
//               client's own program; null: signatures are not looked at
//   platform, channel   whose pointer was asked for, which a signed one has to be of
//   verify      (key, message, signature), each a Uint8Array, to whether it is right
// Rejects with a PointerError.
export async function versionFor(content, player, reading = {}) {
  const { lastSerial = 0, now = null, trusted = null, verify = verifyEd25519 } = reading;
  const pointer = parsed(content);
  if (trusted !== null) await requireSigned(pointer, trusted, verify);
  for (const name of ["platform", "channel"]) {
    if (reading[name] !== undefined && pointer[name] !== reading[name]) {
      throw new PointerError(`the pointer is of another ${name} than ${reading[name]}`);
    }
  }
  const serial = pointer.serial ?? 0;
  if (serial < lastSerial) {
    throw new PointerError(`the pointer ${serial} is older than ${lastSerial}`);
  }
  const { expires = null, rollout = null } = pointer;
  if (expires !== null && now !== null && now >= expires) {
    throw new PointerError(`the pointer expired at ${expires}`);
  }
  if (rollout !== null && (await isIn(rollout, player))) return known(rollout, serial);
  return known({ sha256: pointer.manifestSha256, ...pointer }, serial);
}

// Resolves to whether a player is among those who get a rollout's version already.
export async function isIn({ salt, percent }, player) {
  if (typeof salt !== "string" || typeof percent !== "number") {
    throw new PointerError("the pointer's rollout is damaged");
  }
  const text = new TextEncoder().encode(`${salt}:${player}`);
  const digest = await crypto.subtle.digest("SHA-256", text);
  const part = new DataView(digest).getUint32(0) % 10_000;
  return part < Math.round(percent * 100);
}

// Resolves to the files that a manifest lists, each with path, size and sha256, if its
// bytes (a Uint8Array) are those that the pointer named by `sha256`. Take each file only if
// its size and digest are these. Rejects with a PointerError.
export async function filesOf(manifest, sha256) {
  const end = manifest.lastIndexOf(10, manifest.length - 2) + 1;
  if (hex(await digest(manifest.subarray(0, end))) !== sha256) {
    throw new PointerError("the manifest is not the one that the pointer names");
  }
  const lines = new TextDecoder().decode(manifest).split("\n");
  const files = lines.slice(1, -2);
  const last = `{"end": ${files.length}, "sha256": "${sha256}"}`;
  if (lines[lines.length - 2] !== last || lines[lines.length - 1] !== "") {
    throw new PointerError("the manifest has another end than the pointer names");
  }
  return files.map((line) => JSON.parse(line));
}

// A value's canonical JSON (RFC 8785), which is what is signed.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const keys = Object.keys(value).sort();
    return `{${keys.map((key) => `${canonical(key)}:${canonical(value[key])}`).join(",")}}`;
  }
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new PointerError(`the pointer has a number that not every reader keeps: ${value}`);
  }
  return JSON.stringify(value);
}

// Rejects unless one of these keys signed all that the pointer says.
async function requireSigned(pointer, trusted, verify) {
  const { signature = null, ...values } = pointer;
  if (signature === null) throw new PointerError("the pointer is not signed");
  if (typeof signature.key !== "string") throw new PointerError("the pointer is damaged");
  let raw = null;
  for (const key of trusted.map(bytes)) {
    if (hex(await digest(key)).slice(0, 16) === signature.key) raw = key;
  }
  if (raw === null) {
    throw new PointerError(`the pointer is signed by a foreign key, ${signature.key}`);
  }
  const message = new TextEncoder().encode(canonical(values));
  if (!(await verify(raw, message, bytes(signature.ed25519)))) {
    throw new PointerError("the pointer was changed after it was signed");
  }
}

async function verifyEd25519(raw, message, signature) {
  const key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, message);
}

async function digest(content) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", content));
}

function hex(content) {
  return Array.from(content, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function bytes(digits) {
  if (typeof digits !== "string" || !/^([0-9a-f]{2})*$/i.test(digits)) {
    throw new PointerError("the pointer is damaged: these are no hex digits");
  }
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function parsed(content) {
  let pointer;
  try {
    pointer = JSON.parse(content);
  } catch {
    throw new PointerError("the pointer is damaged");
  }
  if (!FORMATS.includes(pointer?.format)) {
    throw new PointerError("this is no pointer of a release");
  }
  return pointer;
}

function known({ version, sha256 }, serial) {
  if (typeof version !== "string" || typeof sha256 !== "string") {
    throw new PointerError("the pointer is damaged");
  }
  return { version, sha256, serial };
}
