// Numbers and strings, as section 1 of vault.md and of tree.md write them.

// must throws what is wrong with a vault.
export function must(good, what) {
  if (!good) throw new Error(what);
}

// known throws where something is of a version that is not known: nothing may be read on then.
export class UnknownVersion extends Error {}
export function known(good, what) {
  if (!good) throw new UnknownVersion(`${what} is of a version that is not known`);
}

// Cursor reads a byte string from its beginning, and nothing beyond its end.
export class Cursor {
  constructor(bytes) { Object.assign(this, { bytes, at: 0 }); }
  get left() { return this.bytes.length - this.at; }
  take(n) {
    must(n <= this.left, 'a length leads beyond the end');
    return this.bytes.subarray(this.at, (this.at += n));
  }
  u8() { return this.take(1)[0]; }
  u32() { return this.take(4).readUInt32LE(); }
  u64() { return this.take(8).readBigUInt64LE(); }

  // uv and sv return a BigInt.
  uv() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const b = this.u8();
      must(shift < 63n || b <= 1, 'a number has more than 64 bits');
      value |= BigInt(b & 0x7f) << shift;
      if (b >= 0x80) continue;
      must(b !== 0 || shift === 0n, 'a number is not in its shortest form');
      return value;
    }
  }
  sv() {
    const n = this.uv();
    return (n >> 1n) ^ -(n & 1n);
  }

  // num reads a uv that is at most max.
  num(max) {
    const n = this.uv();
    must(n <= max, `a number is above ${max}`);
    return Number(n);
  }

  // many reads a uv number and so many things, of at least size bytes each.
  many(size, read) { return Array.from({ length: this.num(Math.floor(this.left / size)) }, (_, i) => read(i)); }
  str() { return this.take(this.num(this.left)); }

  // Each character of a text is one byte of it.
  text() { return this.str().toString('latin1'); }
  tail(before) { return before.slice(0, this.num(before.length)) + this.text(); }
}
