// Pages and entries: sections 6 to 11 of tree.md, and section 9 of vault.md. A path is a string, each character one byte of it.

import { Cursor, known, must } from './bytes.mjs';

const kinds = ['', 'file', 'dir', 'symlink', 'fifo', 'socket', 'chardev', 'blockdev'];
const u63 = (1n << 63n) - 1n;
const zero = { s: 0n, ns: 0n };
const isPath = (path) => path.split('/').every((name) => name && name !== '.' && name !== '..' && !name.includes('\0'));
export const parentOf = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')));

// before tells whether path a comes before b in listing order. Names hold no NUL, so it can stand for what parts them.
function before(a, b) {
  if (a === '' || b === '') return a === '' && b !== '';
  const [x, y] = [a, b].map((path) => parentOf(path).replaceAll('/', '\0'));
  return x === y ? a.slice(x.length) < b.slice(y.length) : x < y;
}

// Page decodes one page. What its items have in common with those before them is in its fields.
class Page {
  dir = '';
  name = '';
  modes = [];
  owner = { uid: 0, gid: 0, user: '', group: '' };
  owners = [];
  sets = [];
  stamp = { device: 0n, inode: 0n, ...zero };
  mtime = zero;

  constructor(bytes) {
    this.c = new Cursor(bytes);
    known(this.c.u8() === 1, 'a page');
    this.level = this.c.u8();
  }

  *items() {
    for (let n = 0, paths = 0; this.c.left > 0; n++) {
      const full = n >= 4096 || this.c.at >= 1 << 20 || paths >= 1 << 22;
      must(!full || (this.level > 0 && n < 2), 'an item begins in a full page');
      const item = this.level === 0 ? this.entry() : this.reference();
      paths += item.path.length + (item.sameAs ?? '').length;
      yield item;
    }
  }

  reference() {
    const id = this.c.take(32);
    this.name = this.c.tail(this.name);
    return { id, level: this.level - 1, path: this.name, entries: this.c.uv(), bytes: this.c.uv() };
  }

  entry() {
    const { c } = this;
    const [head, times] = [c.u8(), c.u8()];
    const extra = head & 0x80 ? c.u8() : 0;
    const e = { kind: kinds[head & 7], holes: [] };
    const [file, has] = [e.kind === 'file', (bit) => (extra >> bit) & 1];
    must(e.kind && times < 0x80 && extra < 0x80 && (extra === 0) === (head < 0x80), 'a bit that means nothing');
    must(file || !(head & 64 || has(3) || has(6)), 'something that belongs to a file alone');
    if (head & 8) [this.dir, this.name] = [c.tail(this.dir), ''];
    this.name = c.tail(this.name);
    e.path = this.dir ? `${this.dir}/${this.name}` : this.name;
    must(e.path === '' ? e.kind === 'dir' : isPath(e.path) && !this.name.includes('/'), 'a path is not valid');
    if (head & 16) this.modes[head & 7] = c.num(0o7777);
    e.mode = this.modes[head & 7] ?? 0;
    const owner = () => ({ uid: c.num(2 ** 32 - 1), gid: c.num(2 ** 32 - 1), user: c.text(), group: c.text() });
    if (head & 32) this.owner = this.shared(this.owners, owner);
    e.owner = this.owner;
    this.readTimes(e, times);
    e.size = file ? c.uv() : 0n;
    must(e.size <= u63, 'a size is out of range');
    if (head & 64) e.digest = c.take(32);
    if (e.kind === 'symlink') e.target = c.text();
    if (e.kind.endsWith('dev')) e.device = [c.num(2 ** 32 - 1), c.num(2 ** 32 - 1)];
    if (has(0)) e.xattrs = this.shared(this.sets, () => this.readXattrs());
    if (has(1)) e.flags = c.num(2 ** 32 - 1);
    if (has(2)) e.sameAs = c.tail(e.path);
    must(!has(2) || (isPath(e.sameAs) && before(e.sameAs, e.path) && e.kind !== 'dir'), 'a hard link to something later');
    if (has(3)) e.holes = this.readHoles(e.size);
    if (has(4)) e.marks = c.num(0xff);
    if (has(5)) e.unkept = c.num(0xffff);
    if (has(6)) e.chunks = { depth: c.num(8), digests: c.many(32, () => c.take(32)) };
    return e;
  }

  // shared reads something new, or tells which of those before it is meant.
  shared(list, read) {
    const n = this.c.num(list.length);
    if (n > 0) return list[n - 1];
    const value = read();
    if (list.length < 32) list.push(value);
    return value;
  }

  // time reads what follows for code 2 or 3, as a difference to the seconds of base.
  time(code, base) {
    return this.valid({ s: base.s + this.c.sv(), ns: code === 3 ? BigInt(this.c.u32()) : 0n });
  }
  valid({ s, ns }) {
    must(ns >= 0n && ns < 1000000000n, 'nanoseconds are out of range');
    return { s: BigInt.asIntN(64, s), ns };
  }

  readTimes(e, times) {
    const { c } = this;
    const [ctime, mtime, btime] = [times & 3, (times >> 2) & 3, (times >> 4) & 3];
    must(ctime || !(times & 64 || mtime === 1 || btime === 1), 'a time that takes a stamp');
    if (ctime) {
      const device = times & 64 ? c.uv() : this.stamp.device;
      const inode = BigInt.asUintN(64, this.stamp.inode + c.sv());
      e.stamp = this.stamp = { ...this.stamp, device, inode, ...(ctime > 1 && this.time(ctime, this.stamp)) };
    }
    if (mtime) this.mtime = mtime === 1 ? this.stamp : this.time(mtime, this.mtime);
    e.mtime = this.mtime;
    const base = ctime ? this.stamp : this.mtime;
    if (btime === 3) e.btime = this.valid({ s: base.s + c.sv(), ns: base.ns + c.sv() });
    else e.btime = [zero, this.stamp, this.mtime][btime];
  }

  readXattrs() {
    const set = this.c.many(2, () => [this.c.text(), this.c.str()]);
    const good = ([name], i) => name && !name.includes('\0') && (i === 0 || set[i - 1][0] < name);
    must(set.every(good), 'names of attributes are wrong');
    return set;
  }

  readHoles(size) {
    let end = 0n;
    return this.c.many(2, (i) => {
      const [gap, length] = [this.c.uv(), this.c.uv()];
      const hole = { start: end + gap, length };
      end = hole.start + length;
      must((gap > 0n || i === 0) && length > 0n && end <= size, 'holes are wrong');
      return hole;
    });
  }
}

// entries yields those below a page, and returns their last path. want is what refers to the page, read(id) gives its bytes.
export function* entries(read, want) {
  const page = new Page(read(want.id));
  must(page.level === want.level, 'a page of another level');
  let [count, bytes, last] = [0n, 0n, null];
  for (const item of page.items()) {
    must(last === null ? item.path === want.path : before(last, item.path), 'paths are not in order');
    last = item.path;
    if (page.level > 0) last = yield* entries(read, item);
    else yield item;
    count += item.entries ?? 1n;
    bytes += item.bytes ?? (item.sameAs ? 0n : item.size);
  }
  const good = count === want.entries && (bytes > u63 ? u63 : bytes) === want.bytes;
  must(last !== null && good, 'a page is not what the reference to it says');
  return last;
}
