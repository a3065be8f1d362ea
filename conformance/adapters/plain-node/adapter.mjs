// A client of server-sent events in Node, over node:http only, with its adapter for
// sseconform: node adapter.mjs URL, or node adapter.mjs for sseconform -server.
import http from 'node:http'
import readline from 'node:readline'

// A Parser calls back for each event of a stream whose bytes it is given.
class Parser {
	constructor(id, onEvent, onRetry) {
		Object.assign(this, { id, onEvent, onRetry })
		this.decoder = new TextDecoder('utf-8') // which removes one byte order mark
		this.rest = ''
		this.afterCR = false
		this.clear()
	}
	clear() {
		this.type = ''
		this.data = []
		this.newID = undefined
	}
	push(bytes) {
		let text = this.decoder.decode(bytes, { stream: true })
		if (this.afterCR && text.startsWith('\n')) text = text.slice(1)
		if (text !== '') this.afterCR = text.endsWith('\r')
		const lines = (this.rest + text).split(/\r\n|\r|\n/)
		this.rest = lines.pop()
		for (const line of lines) this.line(line)
	}
	line(line) {
		if (line === '') return this.dispatch()
		const colon = line.indexOf(':')
		const name = colon < 0 ? line : line.slice(0, colon)
		const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
		if (name === 'data') this.data.push(value)
		if (name === 'event') this.type = value
		if (name === 'id' && !value.includes('\0')) this.newID = value
		if (name === 'retry' && /^[0-9]+$/.test(value)) this.onRetry(Number(value))
	}
	dispatch() {
		if (this.newID !== undefined) this.id = this.newID
		if (this.data.length) this.onEvent({ type: this.type || 'message', data: this.data.join('\n'), id: this.id })
		this.clear()
	}
}

// open follows a stream until the server ends it for good.
function open(original, print) {
	let id = '', retry = 1000
	const connect = (url, redirects) => {
		const headers = { Accept: 'text/event-stream', 'Cache-Control': 'no-cache' }
		if (id) headers['Last-Event-ID'] = Buffer.from(id).toString('latin1') // the bytes of UTF-8
		let over = false
		const lost = error => {
			if (over) return
			over = true
			print({ error: String(error) })
			setTimeout(connect, Math.min(retry, 2 ** 31 - 1), original, 0)
		}
		http.get(url, { headers, agent: false }, response => {
			const { statusCode, headers } = response
			response.on('error', lost)
			if ([301, 302, 303, 307, 308].includes(statusCode) && headers.location && redirects < 20) {
				over = true
				response.destroy()
				return connect(new URL(headers.location, url), redirects + 1)
			}
			const type = (headers['content-type'] ?? '').split(';')[0].trim().toLowerCase()
			if (statusCode !== 200 || type !== 'text/event-stream') {
				over = true
				response.destroy()
				return print({ closed: true })
			}
			print({ open: true })
			const parser = new Parser(id, event => print(event), ms => { retry = ms })
			response.on('data', bytes => { parser.push(bytes); id = parser.id })
			response.on('close', () => lost('the connection is closed'))
		}).on('error', lost)
	}
	connect(original, 0)
}

const print = object => console.log(JSON.stringify(object))
if (process.argv.length > 2) {
	open(process.argv.at(-1), print)
} else {
	readline.createInterface({ input: process.stdin }).on('line', url => open(url, object => print({ url, ...object })))
}
