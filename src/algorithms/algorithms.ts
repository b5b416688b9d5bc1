// CONTRACT. The algorithms that Gatehouse speaks, by the names that proposal strings use; what config, ike, policy, native and status share.

export type Cipher =
  | 'des'
  | '3des'
  | 'aes128'
  | 'aes192'
  | 'aes256'
  | 'aes128gcm16'
  | 'aes192gcm16'
  | 'aes256gcm16'
  | 'null'

/** `sha256_96` is SHA2-256 cut to 96 bits, as old Androids and Linuxes do (ESP only). */
export type Hash = 'md5' | 'sha1' | 'sha256' | 'sha256_96' | 'sha384' | 'sha512'

export type Group =
  | 'modp768'
  | 'modp1024'
  | 'modp1536'
  | 'modp2048'
  | 'modp3072'
  | 'modp4096'
  | 'ecp256'
  | 'ecp384'
  | 'ecp521'

/** Written `aes256-sha1-modp2048`. Never an AEAD cipher, `null` or `sha256_96`. */
export type IkeProposal = { readonly cipher: Cipher; readonly hash: Hash; readonly group: Group }

/** Written `aes128-sha1` or `aes128gcm16`, with a group where PFS is asked for. `hash` is undefined with an AEAD cipher. */
export type EspProposal = {
  readonly cipher: Cipher
  readonly hash: Hash | undefined
  readonly group: Group | undefined
}
