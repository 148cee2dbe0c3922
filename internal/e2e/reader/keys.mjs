// Sections 2, 3, 10 and 16 of vault.md: key files, and the keys and clients that a restore key opens.

import { known, must } from './bytes.mjs';
import { derive, keysOf, open, sessionSecret, sha256, signed, signerID, signingKey } from './crypto.mjs';

export const bytesOf = (base64) => Buffer.from(base64, 'base64');

function unspell(text) {
  const letters = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  const fives = [...letters].map((l) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(l));
  must(!fives.includes(-1), 'key: a character that is not used');
  const bits = fives.map((n) => n.toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
}

// parseKey reads a restore key from a key file or a recovery sheet.
export function parseKey(text) {
  const lines = text.split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('#'));
  if (lines[0] !== 'varve key 1') return parseSheet(lines);
  const { kind, vault, generation, secret } = Object.fromEntries(lines.slice(1).map((line) => line.split(/\s*:\s*/, 2)));
  must(kind === 'restore', 'key: this is no restore key');
  const key = { vault: Buffer.from(vault, 'hex'), generation: Number(generation), root: unspell(secret).subarray(0, 32) };
  const check = sha256('varve key 1 check', key.vault, [kind.length], kind, [key.generation], key.root).subarray(0, 3);
  must(check.equals(unspell(secret).subarray(32)), 'key: the check does not fit');
  return key;
}

function parseSheet(lines) {
  const found = lines.map((line) => line.match(/^([1-7])\.(.*)$/)).filter(Boolean);
  const all = Buffer.concat(found.map(([, n, typed]) => {
    const line = unspell(typed);
    const check = sha256('varve sheet 1 line', [n], line.subarray(0, 8)).subarray(0, 2);
    must(check.equals(line.subarray(8)), `recovery sheet: line ${n} has a mistake`);
    return line.subarray(0, 8);
  }));
  const check = sha256('varve sheet 1', all.subarray(0, 49)).subarray(0, 7);
  must(all.length === 56 && check.equals(all.subarray(49)), 'key: neither a key file nor a recovery sheet');
  return { vault: all.subarray(0, 16), generation: all[48], root: all.subarray(16, 48) };
}

// Keyring is what a restore key opens: the keys of its generation and of all before it, and the clients.
export class Keyring {
  admins = new Map(); // signer ID: public key
  clients = new Map(); // signer ID: public key and chunk ID key
  removed = new Map(); // signer ID: the records that stay valid
  sessions = new Map();

  constructor(config, key) {
    must(config.format === 'varve vault', 'config: not that of a vault');
    known(config.version === 1, 'config');
    this.vault = Buffer.from(config.id, 'hex');
    key = config.root ? { vault: this.vault, generation: 1, root: bytesOf(config.root) } : key;
    must(key, 'the vault is encrypted: it takes a restore key');
    must(key.vault.equals(this.vault), 'the key is for another vault');
    this.config = config;
    this.newest = key.generation;
    this.generations = new Map([[key.generation, keysOf(key.root)]]);
  }

  // unlock takes what is in keys/.
  unlock(objects) {
    const steps = objects.filter((o) => o.kind === 'g');
    must(steps.every((o) => o.body.generation <= this.newest), 'the key is older than the last rotation of keys');
    for (let n = this.newest; n > 1; n--) this.step(n, steps);
    const first = this.generations.get(1);
    const { signature, ...rest } = this.config;
    must(signed(first.admin, bytesOf(signature), 'varve vault 1 config', JSON.stringify(rest)), 'config: the signature is wrong');
    for (const { admin } of this.generations.values()) this.admins.set(signerID(admin), admin);
    for (const o of objects) if (this.admins.has(o.signer)) this.take(o);
    const full = derive(first.root, 'client');
    this.clients.set(signerID(signingKey(full)), { public: signingKey(full), chunkKey: derive(full, 'chunk id') });
  }

  // step goes from generation n to the one before.
  step(n, steps) {
    const { root, admin } = this.generations.get(n);
    const o = steps.find((g) => g.body.generation === n && bytesOf(g.body.admin).equals(admin));
    must(o, `the object of generation ${n} is missing`);
    const before = keysOf(open(derive(root, 'before'), 'g', this.vault, [n], bytesOf(o.body.root)));
    must(o.signedBy(before.admin), `generation ${n}: not signed by the admin before`);
    this.generations.set(n - 1, before);
  }

  // take takes in what an admin signed.
  take(o) {
    must(o.signedBy(this.admins.get(o.signer)), `${o.name}: the signature is wrong`);
    if (o.kind === 'r') this.removed.set(o.body.client, o.body.snaps);
    if (o.kind !== 'k') return;
    const { public: key, secret } = o.body;
    const structure = this.secret('structure', secret.generation, bytesOf(secret.enc));
    const id = signerID(bytesOf(key));
    const chunkKey = open(structure, 'k', this.vault, Buffer.from(id, 'hex'), bytesOf(secret.sealed));
    this.clients.set(id, { public: bytesOf(key), chunkKey });
  }

  publicKey(signer) {
    const key = this.admins.get(signer) ?? this.clients.get(signer)?.public;
    must(key, `signer ${signer} is not known`);
    return key;
  }

  // secret returns the content secret, by an encapsulation to R, or the structure secret, by one to M.
  secret(label, generation, encapsulation) {
    const id = label + generation + encapsulation.toString('base64');
    if (!this.sessions.has(id)) {
      const keys = this.generations.get(generation);
      must(keys, `it takes the restore key of generation ${generation}`);
      const privateKey = label === 'content' ? keys.R : keys.M;
      this.sessions.set(id, sessionSecret(privateKey, encapsulation, this.vault, generation, label));
    }
    return this.sessions.get(id);
  }
}
