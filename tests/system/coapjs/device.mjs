// A device made with node-coap: a resource that is observed; it pushes one pack, too.
//   node device.mjs PORT GATEWAY_PORT        prints the answers to what it pushes; a line on stdin sets the value
import coap from 'coap'
import readline from 'node:readline'

const [port, gateway] = process.argv.slice(2).map(Number)
let value = 1
const watching = new Set()
const pack = () => JSON.stringify([{ bn: 'js:', n: 'level', u: 'm', v: value }])

coap.createServer((request, response) => {
  response.setOption('Content-Format', 'application/senml+json')
  if (request.headers.Observe !== 0) return response.end(pack())
  watching.add(response)
  response.on('finish', () => watching.delete(response))
  response.write(pack())
}).listen(port, '127.0.0.1', () => console.log('listening'))

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  value = Number(line)
  for (const response of watching) response.write(pack())
})

const push = coap.request({ host: '127.0.0.1', port: gateway, method: 'PUT', pathname: '/senml', confirmable: true })
push.setOption('Content-Format', 'application/senml+json')
push.setOption('Block1', Buffer.from([0x06]))
push.on('response', (response) => console.log(`pushed ${response.code}`))
push.end(JSON.stringify(Array.from({ length: 200 }, (_, i) => ({ bn: i ? undefined : 'urn:dev:ow:js:', n: `m${i}`, v: i }))))
