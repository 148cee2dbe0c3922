// Sections 2, 5, 6, 7, 9 and 10 of vault.md: objects, tables of packs, blobs, chunks, and valid records. Index objects are never read.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cursor, UnknownVersion, known, must } from './bytes.mjs';
import { chunkID, digestOf, digester, open, plain, sha256, signed, u32 } from './crypto.mjs';
import { Keyring } from './keys.mjs';
import { entries } from './manifest.mjs';

const MiB = 1 << 20;
const hex = (bytes) => bytes.toString('hex');

function padme(n) {
  const e = Math.floor(Math.log2(n));
  const step = 2 ** (e - Math.floor(Math.log2(e)) - 1);
  return Math.ceil(n / step) * step;
}

export class Vault {
  chunks = new Map(); // domain and chunk ID: where it is

  constructor(dir, key) {
    this.dir = dir;
    this.keys = new Keyring(JSON.parse(readFileSync(join(dir, 'config'))), key);
    this.id = this.keys.vault;
    this.keys.unlock(this.each('keys', (o) => this.container(o)));
    this.each('data', (o) => this.readPack(o));
    this.each('locks', (o) => this.checked(this.container(o)));
    this.records = this.validRecords(this.each('snapshots', (o) => this.checked(this.container(o))));
  }

  // each returns what take makes of the objects of a kind. What is wrong with one is told, and the object left out.
  each(kind, take) {
    const taken = [];
    for (const o of this.objects(kind)) {
      try {
        must(hex(sha256(o.bytes)) === o.name.slice(-64), 'its bytes are not those of its name');
        taken.push(take(o));
      } catch (err) {
        if (err instanceof UnknownVersion) throw err;
        console.error(`reader: ${o.name}: ${err.message}`);
        process.exitCode = 1;
      }
    }
    return taken;
  }

  *objects(kind) {
    const top = join(this.dir, kind);
    const folders = existsSync(top) ? (kind === 'data' ? readdirSync(top).map((part) => join(top, part)) : [top]) : [];
    for (const folder of folders) {
      for (const name of readdirSync(folder).filter((n) => /^[0-9a-f]{64}$/.test(n))) {
        const path = join(folder, name);
        yield { name: `${kind}/${name}`, path, bytes: readFileSync(path) };
      }
    }
  }

  // container reads a plain or a sealed object; its signature is left to check.
  container({ name, bytes }) {
    const c = new Cursor(bytes);
    must(c.take(5).toString() === 'varve', 'not an object of a vault');
    const [kind, version, generation, signer] = [String.fromCharCode(c.u8()), c.u8(), c.u8(), hex(c.take(16))];
    known('isetckrgw'.includes(kind) && version === 1, `${name}: kind ${kind}`);
    const signedBy = (key) => signed(key, bytes.subarray(-64), 'varve vault 1 object', this.id, bytes.subarray(0, -64));
    const text = kind === 's' ? this.unsealed(kind, generation, bytes) : bytes.subarray(24, -64);
    return { name, kind, signer, signedBy, body: JSON.parse(text) };
  }

  unsealed(kind, generation, bytes) {
    const structure = this.keys.secret('structure', generation, bytes.subarray(24, 1144));
    const c = new Cursor(open(structure, kind, this.id, bytes.subarray(0, 24), bytes.subarray(1144, -64)));
    const [n, codec, length] = [c.u32(), c.u8(), c.u32()];
    must(length <= 16 * MiB && c.bytes.length === padme(Math.max(1024, 9 + n)), 'a sealed body has a wrong length');
    const text = plain(codec, c.take(n), length);
    must(c.take(c.left).every((b) => b === 0), 'the padding of a sealed body is not zero');
    return text;
  }

  // checked returns an object under snapshots/ or locks/ whose signer may sign it.
  checked(o) {
    must(o.signedBy(this.keys.publicKey(o.signer)), 'the signature is wrong');
    must(this.isAdmin(o) || o.kind === 'e' || (o.kind === 's' && o.signer === o.body.domain), 'its signer may not sign it');
    return o;
  }
  isAdmin({ signer }) { return this.keys.admins.has(signer); }

  // readPack takes in the table of a pack, which its footer leads to.
  readPack({ name, path, bytes }) {
    const c = new Cursor(bytes.subarray(-1332));
    const [locator, hash, encapsulation, signer] = [c.take(76), c.take(32), c.take(1120), hex(c.take(16))];
    must(c.take(6).toString() === 'varved', 'its footer is wrong');
    known(c.u8() === 1, name);
    const [generation, length, spare] = [c.u8(), c.u32(), c.take(12)];
    must(bytes.length <= 16 * MiB && length === 1332 && spare.every((b) => b === 0), 'its footer is wrong');
    const good = signed(this.keys.publicKey(signer), c.take(64), 'varve vault 1 pack', this.id, c.bytes.subarray(0, -64));
    must(good, 'the signature is wrong');
    const structure = this.keys.secret('structure', generation, encapsulation);
    const at = new Cursor(open(structure, 'l', this.id, '', locator));
    const end = Number(at.u64());
    const sealed = bytes.subarray(end, end + at.u32());
    must(sha256(sealed).equals(hash), 'its table is not that of its footer');
    const t = new Cursor(open(structure, 't', this.id, '', sealed));
    const [codec, plainLength] = [t.u8(), t.u32()];
    must(plainLength <= 8 * MiB, 'its table is too long');
    this.readTable(new Cursor(plain(codec, t.take(t.left), plainLength)), { path, signer, end });
  }

  readTable(t, pack) {
    const sessions = t.many(2241, () => ({ generation: t.u8(), toR: t.take(1120), toM: t.take(1120) }));
    const domains = t.many(16, () => hex(t.take(16)));
    let end = 0;
    t.many(39, () => {
      const head = t.u8();
      const blob = { path: pack.path, structure: head % 2 === 1, codec: head >> 1, session: sessions[t.num(sessions.length - 1)] };
      const domain = domains[t.num(domains.length - 1)];
      blob.start = end + t.num(pack.end);
      end = blob.end = blob.start + t.num(pack.end);
      blob.length = 0;
      blob.chunks = t.many(33, () => {
        const chunk = { blob, id: hex(t.take(32)), start: blob.length, end: (blob.length += t.num(8 * MiB)) };
        return { ...chunk, kind: blob.structure ? t.u8() : 0 };
      });
      must(end <= pack.end && blob.length <= 8 * MiB && blob.chunks.length <= 4096, 'a blob is too long');
      const mayHold = pack.signer === domain || this.isAdmin(pack);
      if (mayHold) for (const chunk of blob.chunks) this.chunks.set(domain + chunk.id, chunk);
    });
    must(t.left === 0, 'something follows a table');
  }

  openBlob(blob) {
    if (this.last?.blob === blob) return this.last.bytes;
    const { session, structure, start, end } = blob;
    const chunks = blob.chunks.flatMap((chunk) => [Buffer.from(chunk.id, 'hex'), u32(chunk.end - chunk.start)]);
    const id = sha256('varve vault 1 blob', [blob.codec], u32(end - start - 64), ...chunks);
    const secret = this.keys.secret(structure ? 'structure' : 'content', session.generation, structure ? session.toM : session.toR);
    const sealed = readFileSync(blob.path).subarray(start, end);
    const bytes = plain(blob.codec, open(secret, structure ? 'p' : 'b', this.id, id, sealed), blob.length);
    this.last = { blob, bytes };
    return bytes;
  }

  // chunk returns the chunk of a kind with this ID, having checked its digest. Kinds: 0 content, 1 list, 2 page.
  chunk(domain, kind, id) {
    const found = this.chunks.get(domain + hex(id));
    must(found?.kind === kind, `chunk ${hex(id)} is not there`);
    const bytes = this.openBlob(found.blob).subarray(found.start, found.end);
    must(this.idOf(domain, kind, digestOf(bytes)).equals(id), `chunk ${hex(id)}: its bytes are others`);
    return bytes;
  }
  idOf(domain, kind, digest) { return chunkID(this.keys.clients.get(domain).chunkKey, kind, digest); }

  // validRecords returns the bodies of the records that stand for snapshots, each snapshot once.
  validRecords(objects) {
    const of = (kind) => objects.filter((o) => o.kind === kind);
    const tombs = new Set(of('t').map((o) => o.body.snap));
    const stays = (o) => this.keys.removed.get(o.signer)?.includes(o.name) ?? true;
    const isSealed = (o) => of('e').some((e) => e.body.snap === o.name && (this.isAdmin(e) || e.signer === o.signer));
    for (const { name, body } of of('s')) {
      const there = !body.previous || tombs.has(body.previous) || objects.some((o) => o.name === body.previous);
      must(there, `${name}: the record before is missing`);
    }
    const valid = of('s').filter((o) => isSealed(o) && !tombs.has(o.name) && stays(o));
    return [...new Map(valid.map((o) => [o.body.snapshot.id, o.body])).values()];
  }

  heading({ snapshot: { id, series, seq, time, state, files, dirs, bytes }, domain }) {
    return { snapshot: id, series, seq, time, state, domain, files, dirs, bytes };
  }

  entries({ domain, root }) {
    const top = { ...root, id: Buffer.from(root.id, 'hex'), entries: BigInt(root.entries), bytes: BigInt(root.bytes), path: '' };
    return entries((page) => this.chunk(domain, 2, page), top);
  }

  // stream yields the content stream of a file in pieces, and checks it as a whole at the end.
  *stream({ domain }, e) {
    const get = (kind, digest) => this.chunk(domain, kind, this.idOf(domain, kind, digest));
    let digests = e.chunks?.digests ?? (e.digest ? [e.digest] : []);
    for (let depth = e.chunks?.depth ?? 0; depth > 0; depth--) {
      const lists = digests.map((digest) => get(1, digest));
      must(lists.every((list) => list.length > 0 && list.length % 32 === 0 && list.length <= 1024 * 32), 'a list has a wrong length');
      digests = lists.flatMap((list) => Array.from({ length: list.length / 32 }, (_, i) => list.subarray(32 * i, 32 * i + 32)));
    }
    const whole = digester();
    let length = e.holes.reduce((sum, hole) => sum + hole.length, 0n);
    for (const digest of digests) {
      const piece = get(0, digest);
      whole.update(piece);
      length += BigInt(piece.length);
      yield piece;
    }
    must(length === e.size && (!e.digest || e.digest.equals(whole.digest())), `${e.path}: its content is another`);
  }
}
