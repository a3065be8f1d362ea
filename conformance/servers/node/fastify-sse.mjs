import Fastify from 'fastify'
import plugin from '@fastify/sse'
import { follow, port, publish, retry, text } from './log.mjs'

const fastify = Fastify()
await fastify.register(plugin, { serializer: String })
fastify.post('/publish', async request => {
	publish(Number(request.query.to))
	return ''
})
fastify.get('/sse', { sse: 'only' }, async (request, reply) => {
	reply.sse.keepAlive()
	reply.sse.sendHeaders()
	let last = Promise.resolve()
	const end = follow(Number(reply.sse.lastEventId) || 0, n => {
		last = last.then(() => reply.sse.isConnected && reply.sse.send({ id: String(n), data: text(n), retry }))
	})
	reply.sse.onClose(end)
})
await fastify.listen({ port, host: '127.0.0.1' })
