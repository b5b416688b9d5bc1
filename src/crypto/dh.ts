// Diffie-Hellman off the main thread, on node:crypto's pool. Values are raw octets on the outside (what KE carries, what state keeps); keys in
// OpenSSL's forms live inside one operation only.
//
// An operation of MODP2048 takes about 0.3 ms of one core. Importing a private value costs another 0.3 ms on the calling thread, because OpenSSL
// computes the public value anew; so `exchange` (the responder's case) imports none, and `agree` looks first for the key that `generate` made.
//
// ECP256 is the exception: both operations of a login take 0.1 ms, less than it costs to hand them to another thread with their keys in OpenSSL's forms
// (0.5 ms and more). They are done at once, by node:crypto's ECDH.
import { createECDH, diffieHellman, type ECDH, generateKeyPair, type KeyObject } from 'node:crypto'
import type { Group } from '../algorithms/algorithms.ts'
import { groups } from '../algorithms/registry.ts'
import { leftPadded } from './der.ts'
import {
  curveName,
  type EcpGroup,
  ecpFault,
  ecpPrivateKey,
  ecpPrivateValue,
  ecpPublicKey,
  ecpPublicValue,
  isEcp,
} from './ecp-keys.ts'
import {
  isModp,
  type ModpGroup,
  modpFault,
  modpName,
  modpPrivateKey,
  modpPrivateValue,
  modpPublicKey,
  modpPublicValue,
} from './modp-keys.ts'

/** The slow work of IKE; its contract declares the same shapes. */
export type DhWork =
  | { readonly do: 'generate'; readonly group: Group }
  | { readonly do: 'exchange'; readonly group: Group; readonly peerPublic: Uint8Array }
  | { readonly do: 'agree'; readonly group: Group; readonly privateValue: Uint8Array; readonly peerPublic: Uint8Array }

export type DhResult =
  | { readonly is: 'generated'; readonly privateValue: Uint8Array; readonly publicValue: Uint8Array }
  | { readonly is: 'exchanged'; readonly publicValue: Uint8Array; readonly shared: Uint8Array }
  | { readonly is: 'agreed'; readonly shared: Uint8Array }
  | { readonly is: 'failed'; readonly reason: string }

/**
 * Why a peer's public value may not be used in this group, or undefined where it may: 0, 1, p-1, p and above, a wrong length, a point off the
 * curve. Cheap enough for the machine to ask before it asks for work.
 */
export function publicValueFault(group: Group, value: Uint8Array): string | undefined {
  return isEcp(group) ? ecpFault(group, value) : modpFault(group as ModpGroup, value)
}

/** Does the work on the thread pool. Never rejects: what can't be done is `failed`. */
export async function runWork(work: DhWork): Promise<DhResult> {
  try {
    if (work.group === 'ecp256') return workAtOnce(work)
    switch (work.do) {
      case 'generate':
        return await generate(work.group)
      case 'exchange':
        return await exchange(work.group, work.peerPublic)
      case 'agree':
        return await agree(work.group, work.privateValue, work.peerPublic)
    }
  } catch (error) {
    return { is: 'failed', reason: `${work.group}: ${error instanceof Error ? error.message : String(error)}` }
  }
}

/** Keys that `generate` made, for as long as somebody holds the private value's octets. */
const made = new WeakMap<Uint8Array, KeyObject>()

/** The same for ECP256. */
const madeAtOnce = new WeakMap<Uint8Array, ECDH>()

/** OpenSSL writes 4 before the coordinates of a point (SEC 1 §2.3.3); KE does not. */
const uncompressed = 4
const p256 = 'prime256v1'

function workAtOnce(work: DhWork): DhResult {
  if (work.do !== 'generate') {
    const fault = publicValueFault('ecp256', work.peerPublic)
    if (fault) return { is: 'failed', reason: fault }
  }
  const known = work.do === 'agree' ? madeAtOnce.get(work.privateValue) : undefined
  const key = known ?? createECDH(p256)
  if (work.do === 'agree') {
    if (!known) key.setPrivateKey(leftPadded(work.privateValue, groups.ecp256.sharedOctets))
    return { is: 'agreed', shared: sharedAtOnce(key, work.peerPublic) }
  }
  const publicValue = new Uint8Array(key.generateKeys().subarray(1))
  if (work.do === 'exchange') return { is: 'exchanged', publicValue, shared: sharedAtOnce(key, work.peerPublic) }
  const privateValue = leftPadded(key.getPrivateKey(), groups.ecp256.sharedOctets)
  madeAtOnce.set(privateValue, key)
  return { is: 'generated', privateValue, publicValue }
}

function sharedAtOnce(key: ECDH, peerPublic: Uint8Array): Uint8Array {
  const point = new Uint8Array(1 + peerPublic.length)
  point[0] = uncompressed
  point.set(peerPublic, 1)
  const secret = key.computeSecret(point)
  const shared = new Uint8Array(secret)
  secret.fill(0)
  return shared
}

async function generate(group: Group): Promise<DhResult> {
  const pair = await keyPair(group)
  const privateValue = privateValueOf(group, pair.privateKey)
  made.set(privateValue, pair.privateKey)
  return { is: 'generated', privateValue, publicValue: publicValueOf(group, pair.publicKey) }
}

async function exchange(group: Group, peerPublic: Uint8Array): Promise<DhResult> {
  const fault = publicValueFault(group, peerPublic)
  if (fault) return { is: 'failed', reason: fault }
  const pair = await keyPair(group)
  const shared = await secretOf(group, pair.privateKey, peerPublic)
  return { is: 'exchanged', publicValue: publicValueOf(group, pair.publicKey), shared }
}

async function agree(group: Group, privateValue: Uint8Array, peerPublic: Uint8Array): Promise<DhResult> {
  const fault = publicValueFault(group, peerPublic)
  if (fault) return { is: 'failed', reason: fault }
  const key = made.get(privateValue) ?? importPrivate(group, privateValue)
  return { is: 'agreed', shared: await secretOf(group, key, peerPublic) }
}

// @types/node leaves this form of generateKeyPair out.
const generateDh = generateKeyPair as unknown as (
  type: 'dh',
  options: { group: string },
  done: (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) => void,
) => void

type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject }

function keyPair(group: Group): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) =>
      error ? reject(error) : resolve({ publicKey, privateKey })
    if (isModp(group)) generateDh('dh', { group: modpName(group) }, done)
    else generateKeyPair('ec', { namedCurve: curveName(group as EcpGroup) }, done)
  })
}

function secretOf(group: Group, privateKey: KeyObject, peerPublic: Uint8Array): Promise<Uint8Array> {
  const publicKey = isModp(group) ? modpPublicKey(group, peerPublic) : ecpPublicKey(group as EcpGroup, peerPublic)
  return new Promise((resolve, reject) => {
    diffieHellman({ privateKey, publicKey }, (error, secret) => {
      if (error) return reject(error)
      // OpenSSL pads MODP secrets in some versions only; IKE's hashes cover the leading zeros (RFC 2409 §5).
      resolve(leftPadded(secret, groups[group].sharedOctets))
      secret.fill(0)
    })
  })
}

function importPrivate(group: Group, value: Uint8Array): KeyObject {
  return isModp(group) ? modpPrivateKey(group, value) : ecpPrivateKey(group as EcpGroup, value)
}

function privateValueOf(group: Group, key: KeyObject): Uint8Array {
  return isModp(group) ? modpPrivateValue(key) : ecpPrivateValue(group as EcpGroup, key)
}

function publicValueOf(group: Group, key: KeyObject): Uint8Array {
  return isModp(group) ? modpPublicValue(group, key) : ecpPublicValue(group as EcpGroup, key)
}
