#!/usr/bin/env node
// npm's bittorrent-tracker for tests: UDP and HTTP, on 127.0.0.1 and on ::1, all of the same swarms.
//
// Says one JSON object when it is ready: "udp" and "http" are the addresses. It runs until it is killed.
import { createServer } from 'node:http'
import Server from '../.node/node_modules/bittorrent-tracker/server.js'

const server = new Server({ ws: false, stats: false })
// Nothing that a client says ends it: that is a warning.
server.on('error', error => { throw error })
// It has one HTTP server; what that does, another can do for the other family.
const http6 = createServer((request, response) => server.onHttpRequest(request, response))

const address = ({ address, port }) => address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
server.listen(0, { http: '127.0.0.1', udp: '127.0.0.1', udp6: '::1' }, () => {
  http6.listen(0, '::1', () => {
    const [udp, http] = [[server.udp4, server.udp6], [server.http, http6]].map(sockets => sockets.map(socket => address(socket.address())))
    console.log(JSON.stringify({ event: 'ready', udp, http }))
  })
})
