// The log that each server streams: events numbered from 1. It is made from its length, so
// that a server that was restarted has it again.
import { EventEmitter } from 'node:events'

const more = new EventEmitter()
more.setMaxListeners(0)
let length = 0

export const text = n => `${n} of the events that are counted here, one by one`

export const publish = to => {
	while (length < to) more.emit('event', ++length)
}

// follow calls send for each event after that of a number, in order. It returns what ends that.
export const follow = (after, send) => {
	let next = after + 1
	const catchUp = () => {
		while (next <= length) send(next++)
	}
	catchUp()
	more.on('event', catchUp)
	return () => more.off('event', catchUp)
}

export const numbers = () => Array.from({ length }, (_, i) => text(i + 1))

// the reconnection time, in milliseconds
export const retry = Number(process.env.RETRY ?? 10)

// [port, length of the log at the start]
export const [port, start] = process.argv.slice(2).map(Number)
publish(start)
