// Sections 1, 3 and 4 of vault.md: hashes, keys, sessions, and what undoes seal and compression.

import { createDecipheriv, createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { blake3 } from '@noble/hashes/blake3.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { ml_kem768_x25519 as kem } from '@noble/post-quantum/hybrid.js';
import { Decompress } from 'fzstd';
import { must } from './bytes.mjs';

const join = (...parts) => Buffer.concat(parts.map((p) => Buffer.from(p)));
const hkdf = (secret, salt, info, n) => Buffer.from(hkdfSync('sha256', secret, salt, info, n));
const hmac = (key, ...parts) => createHmac('sha256', key).update(join(...parts)).digest();
export const sha256 = (...parts) => createHash('sha256').update(join(...parts)).digest();
export const digester = () => blake3.create();
export const digestOf = (bytes) => Buffer.from(blake3(bytes));
export const chunkID = (key, kind, digest) => Buffer.from(blake3(join([kind], digest), { key }));
export const u32 = (n) => Buffer.from([n, n >> 8, n >> 16, n >> 24]);
export const derive = (secret, label) => hkdf(secret, '', `varve vault 1 ${label}`, 32);
export const signingKey = (secret) => Buffer.from(ed25519.getPublicKey(derive(secret, 'signature')));
export const signerID = (key) => sha256(key).toString('hex', 0, 16);
export const signed = (key, signature, ...message) => ed25519.verify(signature, join(...message), key, { zip215: false });

// keysOf returns the keys of the generation with this root secret.
export function keysOf(root) {
  const maintenance = derive(root, 'maintenance');
  return { root, R: derive(root, 'restore kem'), M: derive(maintenance, 'kem'), admin: signingKey(maintenance) };
}

// RFC 9180: mode base, KEM 0x647a, HKDF-SHA256, export-only AEAD. What it expands is one hash long.
const suite = Buffer.from('HPKE\x64\x7a\x00\x01\xff\xff', 'latin1');
const extract = (salt, label, ikm) => hmac(salt, 'HPKE-v1', suite, label, ikm);
const expand = (secret, label, info) => hmac(secret, [0, 32], 'HPKE-v1', suite, label, info, [1]);

// sessionSecret opens an encapsulation to a private key of this generation and exports the secret with a label.
export function sessionSecret(privateKey, encapsulation, vault, generation, label) {
  const info = join('varve vault 1 session', vault, [generation]);
  const context = join([0], extract('', 'psk_id_hash', ''), extract('', 'info_hash', info));
  const shared = kem.decapsulate(encapsulation, privateKey);
  return expand(expand(extract(shared, 'secret', ''), 'exp', context), 'sec', label);
}

// open undoes seal; kind is a letter.
export function open(secret, kind, vault, context, sealed) {
  must(sealed.length >= 64, 'something sealed is too short');
  const info = join('varve vault 1 seal', kind, vault, context);
  const keys = hkdf(secret, sealed.subarray(0, 16), info, 64);
  must(timingSafeEqual(keys.subarray(32), sealed.subarray(16, 48)), 'a commitment does not fit');
  const gcm = createDecipheriv('aes-256-gcm', keys.subarray(0, 32), Buffer.alloc(12), { authTagLength: 16 });
  gcm.setAAD(info).setAuthTag(sealed.subarray(-16));
  return join(gcm.update(sealed.subarray(48, -16)), gcm.final());
}

// plain undoes the codec of a blob, a table or a body, which must give exactly so many bytes.
export function plain(codec, bytes, length) {
  must(codec <= 1, `codec ${codec} is not known`);
  const parts = [];
  let sum = 0;
  const take = (part) => {
    sum += part.length;
    must(sum <= length, 'content is longer than announced');
    parts.push(Buffer.from(part));
  };
  if (codec === 0) take(bytes);
  else new Decompress(take).push(bytes, true);
  must(sum === length, 'content is shorter than announced');
  return Buffer.concat(parts);
}
