// SHA-256 of bytes that come piece by piece. A browser's own takes all bytes at once, and
// some browsers don't give it to files or to pages that came by plain http.

const ROUNDS = new Int32Array(64);
const START = new Int32Array(8);

// The fractions of the roots of primes (FIPS 180-4, 4.2.2 and 5.3.3).
for (let count = 0, candidate = 2; count < 64; candidate++) {
  let isPrime = true;
  for (let other = 2; other * other <= candidate; other++) {
    if (candidate % other === 0) isPrime = false;
  }
  if (!isPrime) continue;
  if (count < 8) START[count] = (candidate ** (1 / 2) % 1) * 2 ** 32;
  ROUNDS[count++] = (candidate ** (1 / 3) % 1) * 2 ** 32;
}

export class Sha256 {
  constructor() {
    this.state = START.slice();
    this.block = new Uint8Array(64);
    this.words = new Int32Array(64);
    this.size = 0; // bytes so far
  }

  update(bytes) {
    const begun = this.size % 64;
    this.size += bytes.length;
    let from = 0;
    if (begun) {
      from = Math.min(64 - begun, bytes.length);
      this.block.set(bytes.subarray(0, from), begun);
      if (begun + from < 64) return;
      this.compress(this.block, 0);
    }
    for (; from + 64 <= bytes.length; from += 64) this.compress(bytes, from);
    this.block.set(bytes.subarray(from));
  }

  // The 64 bytes from there on. (FIPS 180-4, 6.2.2)
  compress(bytes, from) {
    const { state, words } = this;
    for (let i = 0, at = from; i < 16; i++, at += 4) {
      words[i] =
        (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = words[i - 15];
      const y = words[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
    }
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + words[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }

  hex() {
    const bits = this.size * 8;
    const padding = new Uint8Array(((119 - (this.size % 64)) % 64) + 9);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padding.length - 4, bits % 2 ** 32);
    this.update(padding);
    const words = [...this.state].map((word) => (word >>> 0).toString(16).padStart(8, "0"));
    return words.join("");
  }
}
