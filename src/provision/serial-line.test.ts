// The line over serialport's bindings: what an opening that fails is answered, and an adapter that is unplugged and comes back.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Binding, openingAdvice, openSerialLine, type PortBinding } from './serial-line.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A port whose reads wait for `say`, or fail by `unplug`. */
function fakePort() {
  let deliver: ((text: string) => void) | undefined
  let fail: ((error: Error) => void) | undefined
  const written: string[] = []
  const port: PortBinding = {
    read: (buffer) =>
      new Promise((resolve, reject) => {
        deliver = (text) => resolve({ bytesRead: buffer.write(text, 'latin1') })
        fail = reject
      }),
    write: async (octets) => void written.push(octets.toString('latin1')),
    update: async ({ baudRate }) => void written.push(`[${baudRate} baud]`),
    set: async () => {
      throw new Error('ENOTTY: a pseudo-terminal has no modem lines')
    },
    flush: async () => {},
    close: async () => {},
  }
  return { port, written, say: (text: string) => deliver?.(text), unplug: () => fail?.(new Error('EIO')) }
}

test('octets both ways, modem lines or not; unplugged and put back', async () => {
  const [first, second] = [fakePort(), fakePort()]
  const opened: object[] = []
  const binding: Binding = {
    open: async (options) => {
      opened.push(options)
      if (opened.length === 2) throw new Error('No such file or directory')
      return opened.length === 1 ? first.port : second.port
    },
  }
  const line = await openSerialLine('/dev/ttyUSB0', 9600, binding)
  const heard: string[] = []
  line.listen((octets) => heard.push(Buffer.from(octets).toString('latin1')))
  await line.write(Buffer.from('show version\r'))
  first.say('gw1> ')
  await vi.advanceTimersByTimeAsync(1)
  await line.setSpeed(115_200)
  first.unplug()
  await vi.advanceTimersByTimeAsync(100)
  await line.write(Buffer.from('lost'))
  await vi.advanceTimersByTimeAsync(1_000)
  second.say('back')
  await vi.advanceTimersByTimeAsync(1)
  expect(heard).toEqual(['gw1> ', 'back'])
  expect(first.written).toEqual(['show version\r', '[115200 baud]'])
  expect(opened.at(-1)).toEqual({ path: '/dev/ttyUSB0', baudRate: 115_200, hupcl: false })
  expect(line.failure).toBeUndefined()
})

test('unplugged for good: the line says so', async () => {
  const only = fakePort()
  let times = 0
  const binding: Binding = {
    open: async () => {
      if (times++ > 0) throw new Error('No such file or directory')
      return only.port
    },
  }
  const line = await openSerialLine('/dev/ttyUSB0', 9600, binding)
  only.unplug()
  await vi.advanceTimersByTimeAsync(61_000)
  expect(line.failure).toBe('/dev/ttyUSB0 went away and did not come back within 60 s: is the USB adapter plugged in?')
})

test.each([
  ['Error: Permission denied, cannot open /dev/ttyUSB0', /usermod -aG dialout/],
  ['Error Resource temporarily unavailable Cannot lock port', /in use by another program/],
  ['Error: No such file or directory, cannot open /dev/ttyUSB0', /there is no \/dev\/ttyUSB0; "ls/],
  ['Error: Inappropriate ioctl for device', /is no serial port/],
  ['Error: something else', /^\/dev\/ttyUSB0 can't be opened: something else$/],
])('%s', (message, advice) => {
  expect(openingAdvice('/dev/ttyUSB0', new Error(message))).toMatch(advice)
})
