// What a client in tests connects with, but for what a test is about.
import type { ConnectOptions } from '../../src/gateway/connect.ts'
import { Secret } from '../../src/wire/secret.ts'

/** Alice, with the key and password of the README's least configuration, towards a gateway at 192.0.2.1. */
export function connectOptions(localAddress: string, more: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    server: { address: '192.0.2.1', ike: 500, natt: 4500 },
    localAddress,
    ports: { ike: 500, natt: 4500 },
    preSharedKey: new Secret('correct horse battery staple'),
    user: 'alice',
    password: new Secret('wonderland'),
    ike: [{ cipher: 'aes256', hash: 'sha256', group: 'modp2048' }],
    esp: [{ cipher: 'aes128', hash: 'sha1', group: undefined }],
    authentication: ['mschapv2'],
    hostName: 'client',
    device: 'ppp-test',
    routes: [],
    mru: 1400,
    timeoutSeconds: 60,
    deadPeerSeconds: 60,
    forceEncapsulation: false,
    ...more,
  }
}
