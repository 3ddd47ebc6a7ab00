// push_webpush: the same pushes by web-push (npm), for benches/push.sh.
// push_webpush.mjs MODULES encrypt COUNT | send COUNT URL: prints "N/s".
import { createECDH, randomBytes } from 'node:crypto'
import { Agent } from 'node:https'
import { createRequire } from 'node:module'

const [modules, word, count, url] = process.argv.slice(2)
const webpush = createRequire(modules + '/')('web-push')
const FLIGHT = 100
const text = JSON.stringify({ '@type': 'StateChange',
  changed: { 1234: { Email: '56789', EmailDelivery: '56789', Mailbox: '56789', Thread: '56789' } } })
const keys = webpush.generateVAPIDKeys()
const agent = new Agent({ keepAlive: true, maxSockets: FLIGHT })
const options = { vapidDetails: { subject: 'mailto:postmaster@example.org', ...keys }, TTL: 2419200, topic: 'state', agent }
const devices = Array.from({ length: 100 }, () => {
  const pair = createECDH('prime256v1')
  pair.generateKeys()
  return { endpoint: url ?? 'https://push.example.net/x',
    keys: { p256dh: pair.getPublicKey('base64url'), auth: randomBytes(16).toString('base64url') } }
})

const begin = process.hrtime.bigint()
if (word === 'encrypt') {
  for (let i = 0; i < count; i++) webpush.generateRequestDetails(devices[i % devices.length], text, options)
} else {
  let next = 0
  const one = async () => {
    while (next < count) await webpush.sendNotification(devices[next++ % devices.length], text, options)
  }
  await Promise.all(Array.from({ length: FLIGHT }, one))
}
console.log(`${Math.round(Number(count) / (Number(process.hrtime.bigint() - begin) / 1e9))}/s`)
agent.destroy()
