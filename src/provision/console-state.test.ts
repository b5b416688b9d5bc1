// What a console waits for, from the end of what it wrote.
import { describe, expect, test } from 'vitest'
import { consoleState, looksLikeBoot } from './console-state.ts'
import { completeLines, readAnswer } from './machine-terminal.ts'

describe('the state of a console', () => {
  test.each([
    ['', { is: 'silent' }],
    ['\r\ngw1 login: ', { is: 'login' }],
    ['gw1 login: admin\r\nPassword: ', { is: 'password' }],
    ['gw1> ', { is: 'operational', host: 'gw1' }],
    ['\x1b[1mgw1.example# \x1b[0m', { is: 'configure', host: 'gw1.example' }],
    ['gw1> show vers', { is: 'running-text' }],
    ['Set it up now: yes or no [yes]: ', { is: 'question', text: 'Set it up now: yes or no [yes]:' }],
    ['line\r\n--More--', { is: 'pager' }],
    ['Hit any key to stop autoboot:  2 ', { is: 'countdown' }],
    ['\r\n=> ', { is: 'boot-loader', which: 'u-boot' }],
    ['grub> ', { is: 'boot-loader', which: 'grub' }],
    ['\x1b[2JGNU GRUB  version 2.06\r\n *Gatehouse A\r\n', { is: 'boot-menu' }],
    ['GNU GRUB  version 2.06\r\n[    0.0] x\r\nLinux version 6.1\r\ngw1 login: ', { is: 'login' }],
    ['gw1 login: [   12.345678] usb 1-1: new device\r\n', { is: 'login' }],
    ['(initramfs) ', { is: 'shell' }],
    ['root@debian:~# ', { is: 'shell' }],
    ['# ', { is: 'shell' }],
    ['\xff\x80\xfe\x00\x93\x81', { is: 'garbage' }],
    ['gw1 login: gr\xc3\xbc\xc3\x9fe', { is: 'running-text' }],
  ] as [string, object][])('%j', (text, state) => {
    expect(consoleState(text)).toEqual(state)
  })

  test.each([
    ['U-Boot 2023.01 (Feb 11 2023)', true],
    ['Welcome to GRUB!', true],
    ['[    0.000000] Linux version 6.1.0-37', true],
    ['gw1 login: ', true],
    ['%+17\r\n', false],
    ['firmware: 0.2.0\r\nkernel: Linux 6.1\r\n', false],
  ])('signs of a boot: %j', (text, boot) => {
    expect(looksLikeBoot(text)).toBe(boot)
  })
})

describe('answers to commands', () => {
  test('lines up to %ok, without the prompt before and the kernel between', () => {
    const text =
      'gw1> \r\nfirmware: 0.2.0\r\n[   12.345678] usb 1-1: new device\r\nboard: x[   13.000001] y\r\n\r\n%ok\r\ngw1> '
    expect(readAnswer(text)).toEqual({ is: 'ok', lines: ['firmware: 0.2.0', 'board: x'] })
  })

  test('an error with its text; nothing until the line has ended', () => {
    expect(readAnswer('%error no such command')).toBeUndefined()
    expect(readAnswer('%error no such command\r\n')).toEqual({ is: 'error', text: 'no such command', lines: [] })
  })

  test('octets that are no UTF-8 hurt nobody', () => {
    expect(completeLines('gr\xc3\xbcn \xff\r\nrest')).toEqual(['grün \ufffd'])
  })
})
