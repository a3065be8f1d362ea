import express from 'express'
import SSE from 'express-sse'
import { follow, numbers, port, publish, text } from './log.mjs'

// It sends a new client all that there has been; that is its way of losing nothing.
const sse = new SSE(numbers())
const app = express()
follow(numbers().length, n => {
	sse.send(text(n))
	sse.updateInit(numbers())
})
app.post('/publish', (req, res) => {
	publish(Number(req.query.to))
	res.end()
})
app.get('/sse', sse.init)
app.listen(port, '127.0.0.1')
