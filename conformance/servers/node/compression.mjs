// A feed of express below the middleware compression, for ../../check: an event at intervals,
// with the numbers from 1 as IDs. The second argument is what is done about compression.
import compression from 'compression'
import express from 'express'

const [port, mode] = process.argv.slice(2)
const app = express()
if (mode !== 'none') {
	// Brotli is its first choice; a client that it is not enabled for gets gzip.
	if (mode === 'gzip') app.use((req, res, next) => {
		if (/gzip/.test(req.get('Accept-Encoding'))) req.headers['accept-encoding'] = 'gzip'
		next()
	})
	// By default it asks a database of media types, in which text/event-stream is compressible.
	app.use(compression())
}
app.get('/sse', (req, res) => {
	res.set('Content-Type', 'text/event-stream')
	res.set('Cache-Control', mode === 'no-transform' ? 'no-store, no-transform' : 'no-store')
	res.flushHeaders()
	let n = Number(req.get('Last-Event-ID')) || 0
	const send = () => {
		n++
		res.write(`id: ${n}\ndata: event ${n}\n\n`)
		if (mode === 'flush') res.flush()
	}
	send()
	const timer = setInterval(send, 400)
	req.on('close', () => clearInterval(timer))
})
app.listen(Number(port), '127.0.0.1')
