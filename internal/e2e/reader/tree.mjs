// Sections 2, 4, 5 and 13 of tree.md: the store, manifest files, and where content lies.

import { existsSync, lstatSync, readFileSync, readdirSync } from 'node:fs';
import { Cursor, known, must } from './bytes.mjs';
import { digestOf } from './crypto.mjs';
import { entries } from './manifest.mjs';

const magic = Buffer.from('varve manifest\n\x01');
const none = Buffer.alloc(32);
const isID = (name) => /^[0-9a-f]{32}$/.test(name);

// isTree tells whether a directory is a tree store.
export const isTree = (dir) => existsSync(`${dir}/.varve/format`);

// Manifest reads a manifest file.
class Manifest {
  constructor(bytes) {
    this.bytes = bytes;
    const [head, end] = [bytes.subarray(0, 16), bytes.subarray(-16)];
    must(bytes.length > 40 && head.equals(end) && head.subarray(0, 15).equals(magic.subarray(0, 15)), 'a manifest is not finished');
    known(head.equals(magic), 'a manifest');
    const at = Number(bytes.readBigUInt64LE(bytes.length - 24));
    const index = new Cursor(this.frame('i', at, bytes.length - 24));
    const [level, pages] = [index.u8(), index.u32()];
    this.root = { level, entries: index.u64(), bytes: index.u64(), id: index.take(32), path: '' };
    this.pages = new Map();
    for (let n = 0, last = ''; n < pages; n++) {
      const [id, offset, length] = [index.take(32).toString('hex'), Number(index.u64()), index.u32()];
      must(id > last && offset >= 16 && offset + 37 + length <= at, 'the table of pages is wrong');
      this.pages.set((last = id), { offset, length });
    }
    this.record = JSON.parse(index.take(index.left));
  }

  // frame returns the content of a frame, which must end at end where that is given.
  frame(kind, at, end) {
    const c = new Cursor(this.bytes.subarray(at));
    must(String.fromCharCode(c.u8()) === kind, 'a frame is of another kind');
    const [length, hash] = [c.u32(), c.take(32)];
    const content = c.take(length);
    must((end ?? at + 37 + length) === at + 37 + length && digestOf(content).equals(hash), 'a frame is damaged');
    this.hash = hash;
    return content;
  }

  page(id) {
    const row = this.pages.get(id.toString('hex'));
    must(row, 'a page is missing');
    const content = this.frame('p', row.offset);
    must(content.length === row.length && this.hash.equals(id), 'a page is another one');
    return content;
  }
}

export class Tree {
  constructor(dir) {
    this.dir = dir;
    const [first, second] = readFileSync(`${dir}/.varve/format`, 'latin1').split('\n');
    const format = /^format: (\d+)$/.exec(second);
    must(first === 'varve tree store' && format, 'not a tree store');
    this.format = Number(format[1]);
    known(this.format === 1 || this.format === 2, 'the store');
    this.places = new Map(); // of snapshots, by ID
    this.records = [];
    for (const id of readdirSync(`${dir}/.varve/manifests`).filter(isID)) {
      const manifest = new Manifest(readFileSync(`${dir}/.varve/manifests/${id}`));
      const { record } = manifest;
      must(record.id === id && /^[^/]+\/[^/]+$/.test(record.location) && !/(^|\/)\.\.?(\/|$)/.test(record.location), `${id}: its record is wrong`);
      if (!existsSync(`${dir}/${record.location}`)) continue;
      this.places.set(id, record.location);
      this.records.push({ snapshot: record, manifest });
    }
  }

  heading({ snapshot: { id, series, seq, time, state, location, files, dirs, bytes } }) {
    return { snapshot: id, series, seq, time, state, location, files, dirs, bytes };
  }

  // entries yields those of a snapshot, each with the loan that it may have.
  *entries({ snapshot, manifest }) {
    const lenders = new Map();
    for (const e of entries((id) => manifest.page(id), manifest.root)) {
      must(!e.chunks || (this.format === 2 && (e.unkept & 1) === 1), `${e.path}: it is lent what it should have`);
      if (e.chunks) e.loan = this.loan(e, snapshot.id, lenders);
      else if (e.kind === 'file') lenders.set(e.path, e);
      yield e;
    }
  }

  loan(e, own, lenders) {
    must(e.chunks.depth === 0 && e.chunks.digests.length > 0 && e.digest, 'a loan is wrong');
    const joined = Buffer.concat(e.chunks.digests);
    const loan = { id: joined.toString('hex', 0, 16), path: joined.toString('latin1', 16).replace(/\0+$/, '') };
    const names = (loan.path || e.path).split('/');
    must(names.every((n) => n && n !== '.' && n !== '..' && !n.includes('\0')), 'a loan leads out of its snapshot');
    must(loan.id !== own || lenders.has(loan.path), 'a loan from oneself leads nowhere');
    return loan;
  }

  // find returns where the file of an entry lies.
  find({ snapshot }, e) {
    const { id, path } = e.loan ?? { id: snapshot.id, path: '' };
    const tops = [this.places.get(id), `.varve/trash/${id}`, `.varve/kept/${id}`].filter(Boolean);
    const at = tops.map((top) => Buffer.from(`${this.dir}/${top}/`)).map((top) => Buffer.concat([top, Buffer.from(path || e.path, 'latin1')]));
    const found = at.find((file) => existsSync(file));
    must(found && lstatSync(found).isFile(), `${e.path}: its content is missing`);
    return found;
  }

  // stream yields the content stream of a file, having checked it.
  *stream(record, e) {
    const whole = readFileSync(this.find(record, e));
    must(BigInt(whole.length) === e.size, `${e.path}: its length is another`);
    const parts = [];
    let at = 0;
    for (const hole of e.holes) {
      parts.push(whole.subarray(at, Number(hole.start)));
      at = Number(hole.start + hole.length);
      must(whole.subarray(Number(hole.start), at).every((b) => b === 0), `${e.path}: there is something in a hole`);
    }
    const stream = Buffer.concat([...parts, whole.subarray(at)]);
    must((stream.length > 0 ? digestOf(stream) : none).equals(e.digest ?? none), `${e.path}: its content is another`);
    if (stream.length > 0) yield stream;
  }
}
