// Which version a player gets: the reference reader of a channel's pointer for browsers,
// Node 18 or newer, and whatever has crypto.subtle. player_version.py has the same rules
// in Python, PlayerVersion.ts without crypto.subtle for Cocos Creator, and
// pointer-vectors.json what each of them has to say.

const FORMATS = ["release-pointer/1", "release-pointer/2"];

// The pointer is not to be followed; stay with the version that you have.
export class PointerError extends Error {}

// Resolves to { version, sha256 }: what a player gets by a pointer.
//   content     the pointer's text, as the store or the CDN gave it
//   player      what stays the same for one player: an account or installation id
//   lastSerial  the highest serial seen so far, to be kept by the client: a CDN may give
//               an old pointer, and nobody should go back by accident
//   now         the time as ISO 8601 in UTC, to honour an expiry; null: not looked at
// Rejects with a PointerError.
export async function versionFor(content, player, { lastSerial = 0, now = null } = {}) {
  const pointer = parsed(content);
  const serial = pointer.serial ?? 0;
  if (serial < lastSerial) {
    throw new PointerError(`the pointer ${serial} is older than ${lastSerial}`);
  }
  const { expires = null, rollout = null } = pointer;
  if (expires !== null && now !== null && now >= expires) {
    throw new PointerError(`the pointer expired at ${expires}`);
  }
  if (rollout !== null && (await isIn(rollout, player))) return known(rollout);
  return known({ sha256: pointer.manifestSha256, ...pointer });
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

function known({ version, sha256 }) {
  if (typeof version !== "string" || typeof sha256 !== "string") {
    throw new PointerError("the pointer is damaged");
  }
  return { version, sha256 };
}
