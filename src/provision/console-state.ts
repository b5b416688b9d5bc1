// What a console waits for, told from the end of what it wrote. A board may be anywhere: at a log-in, in the wizard, in the middle of somebody's
// half-typed line, in its boot loader, or at another speed.
import { plain } from './dialogue.ts'

export type ConsoleState =
  | { readonly is: 'login' | 'password' | 'pager' | 'countdown' | 'boot-menu' | 'garbage' | 'running-text' | 'silent' }
  /** The wizard or a command asks; the text of the line. */
  | { readonly is: 'question'; readonly text: string }
  | { readonly is: 'operational' | 'configure'; readonly host: string }
  /** U-Boot or GRUB wait for commands. */
  | { readonly is: 'boot-loader'; readonly which: 'u-boot' | 'grub' }
  /** A shell of something that is not our console. */
  | { readonly is: 'shell' }

/** Share of octets that no console writes, above which the speed is wrong; looked at in so many last octets. */
const oddShare = 0.25
const lookedAt = 256

/** The state from what was received, an octet a character. */
export function consoleState(received: string): ConsoleState {
  if (received === '') return { is: 'silent' }
  if (looksGarbled(received)) return { is: 'garbage' }
  const text = plain(received)
  const quiet = withoutKernelLines(text)
  const tail = quiet.slice(Math.max(quiet.lastIndexOf('\n'), quiet.lastIndexOf('\r')) + 1)
  if (/autoboot/i.test(tail)) return { is: 'countdown' }
  if (/^grub(?: rescue)?> ?$/.test(tail)) return { is: 'boot-loader', which: 'grub' }
  if (/^(?:=>|U-Boot>|Marvell>>) ?$/.test(tail)) return { is: 'boot-loader', which: 'u-boot' }
  if (inBootMenu(text)) return { is: 'boot-menu' }
  if (/^[\w.-]+ login: ?$/.test(tail)) return { is: 'login' }
  if (/^Password: ?$/i.test(tail)) return { is: 'password' }
  if (/--\s?more\s?--|^:$|\(END\) ?$/i.test(tail)) return { is: 'pager' }
  if (/\]: ?$/.test(tail)) return { is: 'question', text: tail.trim() }
  if (/^\(initramfs\) ?$|^[\w.-]+@[\w.-]+:\S*[#$] ?$|^(?:ba)?sh-[\d.]+[#$] ?$|^(?:~ )?[#$] ?$/.test(tail))
    return { is: 'shell' }
  const prompt = /^([\w.-]+)([>#]) ?$/.exec(tail)
  if (prompt) return { is: prompt[2] === '>' ? 'operational' : 'configure', host: prompt[1]! }
  return { is: 'running-text' }
}

/** GRUB's menu or editor is on the screen, and no kernel has spoken since. */
function inBootMenu(text: string): boolean {
  const at = Math.max(text.lastIndexOf('GNU GRUB'), text.lastIndexOf('Minimum Emacs-like screen editing'))
  return at >= 0 && !/Linux version|Booting|\[\s*\d+\.\d+\]|login:/.test(text.slice(at))
}

/** Whether this is what the wrong speed makes of text: octets that are neither ASCII nor parts of UTF-8. */
export function looksGarbled(received: string): boolean {
  const last = received.slice(-lookedAt)
  const text = Buffer.from(last, 'latin1').toString('utf8')
  const odd = text.match(/\p{Cc}|\ufffd/gu)?.filter((c) => !'\t\n\r\b\x07\x1b'.includes(c)).length ?? 0
  return odd / text.length > oddShare
}

/** A boot loader or a kernel that starts has spoken. */
export function hasBooted(received: string): boolean {
  return /U-Boot (?:SPL )?\d|GNU GRUB|Linux version \d|Welcome to GRUB|SeaBIOS|BdsDxe|Starting kernel/.test(
    plain(received),
  )
}

/** Signs of a boot, or a log-in at its end, in what came since a command was sent: the answer will not come any more. */
export function looksLikeBoot(received: string): boolean {
  return hasBooted(received) || /^[\w.-]+ login: ?$/m.test(plain(received))
}

/** The text without what the kernel says, `[   12.345678] …`, between lines or in the middle of one: a prompt stays a prompt. */
export function withoutKernelLines(text: string): string {
  return text.replace(/(?:<\d+>)?\[ *\d+\.\d{3,6}\][^\n]*\n?/g, '')
}
