// Which version a player gets: the reference reader of a channel's pointer for Cocos
// Creator 3, whose native builds have no crypto.subtle. player_version.py has the same
// rules in Python, player-version.mjs for browsers, and pointer-vectors.json what each of
// them has to say.

const FORMATS = ["release-pointer/1", "release-pointer/2"];

export interface PlayerVersion {
  version: string;
  sha256: string; // of the version's manifest
  serial: number; // to be kept by the client for the next time
}

// Whether an Ed25519 key signed a message, as nacl.sign.detached.verify() of the package
// tweetnacl says with its arguments in another order (see examples/README.md).
export type Verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;

export interface Reading {
  lastSerial?: number; // the highest serial seen so far, to be kept by the client
  now?: string | null; // the time, as toISOString() gives it, to honour an expiry
  trusted?: string[] | null; // the public keys that may have signed it, as 64 hex digits
  verify?: Verify; // needed with `trusted`
  platform?: string; // whose pointer was asked for, which a signed one has to be of
  channel?: string;
}

// The pointer is not to be followed; stay with the version that you have.
export class PointerError extends Error {}

// What a player gets by a pointer: `content` is its text, `player` what stays the same for
// one player, as an account or installation id. Throws a PointerError.
export function versionFor(content: string, player: string, reading: Reading = {}): PlayerVersion {
  const { lastSerial = 0, now = null, trusted = null } = reading;
  const pointer = parsed(content);
  if (trusted !== null) requireSigned(pointer, trusted, reading.verify);
  for (const name of ["platform", "channel"] as const) {
    if (reading[name] !== undefined && pointer[name] !== reading[name]) {
      throw new PointerError(`the pointer is of another ${name} than ${reading[name]}`);
    }
  }
  const serial = (pointer.serial as number | undefined) ?? 0;
  if (serial < lastSerial) {
    throw new PointerError(`the pointer ${serial} is older than ${lastSerial}`);
  }
  const expires = (pointer.expires as string | null | undefined) ?? null;
  if (expires !== null && now !== null && now >= expires) {
    throw new PointerError(`the pointer expired at ${expires}`);
  }
  const rollout = (pointer.rollout as Record<string, unknown> | null | undefined) ?? null;
  if (rollout !== null && isIn(rollout, player)) return known(rollout, serial);
  return known({ sha256: pointer.manifestSha256, ...pointer }, serial);
}

// Whether a player is among those who get a rollout's version already.
export function isIn(rollout: Record<string, unknown>, player: string): boolean {
  const { salt, percent } = rollout;
  if (typeof salt !== "string" || typeof percent !== "number") {
    throw new PointerError("the pointer's rollout is damaged");
  }
  const [a, b, c, d] = digest(utf8(`${salt}:${player}`));
  const word = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  return word % 10000 < Math.round(percent * 100);
}

export interface ListedFile {
  path: string;
  size: number;
  sha256: string;
  in?: string; // the version that holds it, if not this one
}

// The files that a manifest lists, if its text is the one that the pointer named by
// `sha256`. Take each file only if its size and digest are these. Throws a PointerError.
export function filesOf(manifest: string, sha256: string): ListedFile[] {
  const end = manifest.lastIndexOf("\n", manifest.length - 2) + 1;
  if (hex(digest(utf8(manifest.slice(0, end)))) !== sha256) {
    throw new PointerError("the manifest is not the one that the pointer names");
  }
  const lines = manifest.split("\n");
  const files = lines.slice(1, -2);
  const last = `{"end": ${files.length}, "sha256": "${sha256}"}`;
  if (lines[lines.length - 2] !== last || lines[lines.length - 1] !== "") {
    throw new PointerError("the manifest has another end than the pointer names");
  }
  return files.map((line) => JSON.parse(line) as ListedFile);
}

// A value's canonical JSON (RFC 8785), which is what is signed.
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const values = value as Record<string, unknown>;
    const pairs = Object.keys(values)
      .sort()
      .map((key) => `${canonical(key)}:${canonical(values[key])}`);
    return `{${pairs.join(",")}}`;
  }
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new PointerError(`the pointer has a number that not every reader keeps: ${value}`);
  }
  return JSON.stringify(value);
}

// Throws unless one of these keys signed all that the pointer says.
function requireSigned(
  pointer: Record<string, unknown>,
  trusted: string[],
  verify: Verify | undefined,
): void {
  if (verify === undefined) throw new Error("trusted needs verify as well");
  const signature = (pointer.signature as Record<string, unknown> | null | undefined) ?? null;
  if (signature === null) throw new PointerError("the pointer is not signed");
  if (typeof signature.key !== "string") throw new PointerError("the pointer is damaged");
  const raw = trusted
    .map(bytes)
    .filter((key) => hex(digest(key)).slice(0, 16) === signature.key)[0] as number[] | undefined;
  if (raw === undefined) {
    throw new PointerError(`the pointer is signed by a foreign key, ${signature.key}`);
  }
  const pairs = Object.keys(pointer)
    .filter((name) => name !== "signature")
    .sort()
    .map((name) => `${canonical(name)}:${canonical(pointer[name])}`);
  const message = Uint8Array.from(utf8(`{${pairs.join(",")}}`));
  const signed = Uint8Array.from(bytes(signature.ed25519));
  if (signed.length !== 64 || !verify(Uint8Array.from(raw), message, signed)) {
    throw new PointerError("the pointer was changed after it was signed");
  }
}

function hex(content: number[]): string {
  return content.map((byte) => (byte + 256).toString(16).slice(1)).join("");
}

function bytes(digits: unknown): number[] {
  if (typeof digits !== "string" || !/^([0-9a-f]{2})*$/i.test(digits)) {
    throw new PointerError("the pointer is damaged: these are no hex digits");
  }
  return (digits.match(/../g) ?? []).map((pair) => parseInt(pair, 16));
}

function parsed(content: string): Record<string, unknown> {
  let pointer: Record<string, unknown> | null;
  try {
    pointer = JSON.parse(content) as Record<string, unknown> | null;
  } catch {
    throw new PointerError("the pointer is damaged");
  }
  if (pointer === null || FORMATS.indexOf(pointer.format as string) < 0) {
    throw new PointerError("this is no pointer of a release");
  }
  return pointer;
}

function known(values: Record<string, unknown>, serial: number): PlayerVersion {
  const { version, sha256 } = values;
  if (typeof version !== "string" || typeof sha256 !== "string") {
    throw new PointerError("the pointer is damaged");
  }
  return { version, sha256, serial };
}

function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) {
      bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    } else {
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63));
      bytes.push(0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
  }
  return bytes;
}

// The SHA-256 (FIPS 180-4) of some bytes.
function digest(message: number[]): number[] {
  const state = primes(8).map((prime) => fraction(Math.sqrt(prime)));
  const constants = primes(64).map((prime) => fraction(Math.cbrt(prime)));
  const bits = message.length * 8;
  const padded = message.concat(0x80);
  while (padded.length % 64 !== 56) padded.push(0);
  for (let n = 7; n >= 0; n -= 1) padded.push(Math.floor(bits / 2 ** (8 * n)) & 255);
  for (let at = 0; at < padded.length; at += 64) compress(state, constants, padded, at);
  const made: number[] = [];
  for (const word of state) {
    for (const shift of [24, 16, 8, 0]) made.push((word >>> shift) & 255);
  }
  return made;
}

function compress(state: number[], constants: number[], bytes: number[], at: number): void {
  const words: number[] = [];
  for (let n = 0; n < 64; n += 1) {
    if (n < 16) {
      const [a, b, c, d] = bytes.slice(at + 4 * n, at + 4 * n + 4);
      words.push((a << 24) | (b << 16) | (c << 8) | d);
      continue;
    }
    const [w2, w7, w15, w16] = [words[n - 2], words[n - 7], words[n - 15], words[n - 16]];
    const s0 = turned(w15, 7) ^ turned(w15, 18) ^ (w15 >>> 3);
    const s1 = turned(w2, 17) ^ turned(w2, 19) ^ (w2 >>> 10);
    words.push((w16 + s0 + w7 + s1) | 0);
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let n = 0; n < 64; n += 1) {
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const one = (h + s1 + ((e & f) ^ (~e & g)) + constants[n] + words[n]) | 0;
    const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((value, n) => {
    state[n] = (state[n] + value) | 0;
  });
}

function turned(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}

function fraction(value: number): number {
  return Math.floor((value - Math.floor(value)) * 2 ** 32) | 0;
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let number = 2; found.length < count; number += 1) {
    if (found.every((prime) => number % prime !== 0)) found.push(number);
  }
  return found;
}
