// A second reader of varve's stores, written from docs/format/vault.md and tree.md alone. It checks all that a store holds and prints
// its snapshots, a JSON object on each line: the snapshot, then its entries. Use, in this directory:
//
//	npm ci --ignore-scripts
//	node reader.mjs STORE [KEYFILE [DIRECTORY]]
//
// KEYFILE is that of a sealed vault, else empty.
//
// DIRECTORY, which must not exist, gets the snapshots, each under its ID, but for what Node cannot make or set: devices, FIFOs, sockets,
// extended attributes, flags, and parts of a millisecond.

import * as fs from 'node:fs';
import { must } from './bytes.mjs';
import { parseKey } from './keys.mjs';
import { parentOf } from './manifest.mjs';
import { isTree, Tree } from './tree.mjs';
import { Vault } from './vault.mjs';

// text makes bytes printable: what is not is %XX.
const text = (s = '') => s.replace(/[^ -$&-~]/g, (b) => '%' + b.charCodeAt(0).toString(16).padStart(2, '0'));
const time = ({ s, ns }) => `${s}.${String(ns).padStart(9, '0')}`;

// line is what is printed of an entry. What is empty or zero is left out.
function line(e) {
  const { uid, gid, user, group } = e.owner;
  const fields = {
    path: text(e.path), kind: e.kind, mode: e.mode.toString(8), owner: `${uid}:${gid}:${text(user)}:${text(group)}`, mtime: time(e.mtime),
    btime: e.btime.s || e.btime.ns ? time(e.btime) : '', stamp: e.stamp && `${e.stamp.device}:${e.stamp.inode}:${time(e.stamp)}`,
    size: e.size && String(e.size), digest: e.digest?.toString('hex'), target: text(e.target), device: e.device?.join(':'),
    xattrs: e.xattrs && Object.fromEntries(e.xattrs.map(([name, value]) => [text(name), value.toString('base64')])), flags: e.flags,
    same_as: text(e.sameAs), holes: e.holes.length && e.holes.map((h) => `${h.start}+${h.length}`), marks: e.marks, unkept: e.unkept,
    loan: e.loan && `${e.loan.id}:${text(e.loan.path)}`,
  };
  return JSON.stringify(Object.fromEntries(Object.entries(fields).filter(([, value]) => value)));
}

// write puts the pieces of a content stream where there are no holes.
function write(path, e, pieces) {
  const [fd, holes] = [fs.openSync(path, 'wx', 0o600), [...e.holes]];
  let at = 0n;
  for (let piece of pieces) {
    while (piece.length > 0) {
      if (holes[0]?.start === at) at += holes.shift().length;
      const room = holes.length > 0 ? holes[0].start - at : e.size;
      const n = fs.writeSync(fd, piece, 0, room < piece.length ? Number(room) : piece.length, Number(at));
      at += BigInt(n);
      piece = piece.subarray(n);
    }
  }
  fs.ftruncateSync(fd, Number(e.size));
  fs.closeSync(fd);
}

// settle sets the metadata of what is complete.
function settle(path, e) {
  if (process.getuid() === 0) fs.lchownSync(path, e.owner.uid, e.owner.gid);
  if (e.kind !== 'symlink') fs.chmodSync(path, e.mode);
  const mtime = new Date(Number(e.mtime.s) * 1000 + Math.floor(Number(e.mtime.ns) / 1e6));
  fs.lutimesSync(path, mtime, mtime);
}

// restore makes one object; at gives the place of a path. The metadata of directories is set later.
function restore(at, e, pieces) {
  const path = at(e.path);
  if (e.sameAs) return void (fs.existsSync(at(e.sameAs)) && fs.linkSync(at(e.sameAs), path));
  if (e.kind === 'dir') fs.mkdirSync(path, 0o700);
  if (e.kind === 'file') write(path, e, pieces);
  if (e.kind === 'symlink') fs.symlinkSync(Buffer.from(e.target, 'latin1'), path);
  if (e.kind === 'file' || e.kind === 'symlink') settle(path, e);
}

// read prints a snapshot, and restores it where there is a target.
function read(store, record, target) {
  const heading = store.heading(record);
  console.log(JSON.stringify(heading));
  const at = (path) => Buffer.concat([Buffer.from(`${target}/${heading.snapshot}/`), Buffer.from(path, 'latin1')]);
  const seen = new Map();
  for (const e of store.entries(record)) {
    console.log(line(e));
    must(e.path === '' || seen.get(parentOf(e.path))?.kind === 'dir', `${text(e.path)}: it is in no directory`);
    must(!e.sameAs || seen.get(e.sameAs)?.kind === e.kind, `${text(e.path)}: it is a hard link to nothing`);
    seen.set(e.path, e);
    const pieces = e.kind === 'file' && !e.sameAs ? store.stream(record, e) : [];
    if (target) restore(at, e, pieces);
    else for (const piece of pieces) void piece;
  }
  if (target) for (const e of [...seen.values()].reverse()) if (e.kind === 'dir') settle(at(e.path), e);
}

try {
  const [dir, keyFile, target] = process.argv.slice(2);
  must(dir, 'use: node reader.mjs STORE [KEYFILE [DIRECTORY]]');
  const store = isTree(dir) ? new Tree(dir) : new Vault(dir, keyFile && parseKey(fs.readFileSync(keyFile, 'utf8')));
  if (target) fs.mkdirSync(target, 0o700);
  const place = ({ snapshot }) => `${snapshot.series}\0${String(snapshot.seq).padStart(20, '0')}`;
  for (const record of store.records.sort((a, b) => (place(a) < place(b) ? -1 : 1))) read(store, record, target);
} catch (err) {
  console.error(`reader: ${err.message}`);
  process.exitCode = 1;
}
