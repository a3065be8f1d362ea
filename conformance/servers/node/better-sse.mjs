import express from 'express'
import { createSession } from 'better-sse'
import { follow, port, publish, retry, text } from './log.mjs'

const app = express()
app.post('/publish', (req, res) => {
	publish(Number(req.query.to))
	res.end()
})
app.get('/sse', async (req, res) => {
	const session = await createSession(req, res, { retry, serializer: String })
	const end = follow(Number(session.lastId) || 0, n => session.push(text(n), 'message', String(n)))
	session.on('disconnected', end)
})
app.listen(port, '127.0.0.1')
