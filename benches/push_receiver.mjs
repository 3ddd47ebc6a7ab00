// push_receiver: a push service that answers 201 to all, over HTTP/2 or HTTP/1.1, for benches/push.sh.
// push_receiver.mjs PEM: prints its port.
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'

const pem = readFileSync(process.argv[2])
const server = createSecureServer({ key: pem, cert: pem, allowHTTP1: true }, (request, response) => {
  request.on('data', () => {})
  request.on('end', () => {
    response.writeHead(201)
    response.end()
  })
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
