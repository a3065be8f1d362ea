// The adapter of an EventSource for sseconform -server:
//
//	node adapter.js eventsource
//	node adapter.js undici
import {createInterface} from 'node:readline'

const {EventSource} = await import(process.argv[2])

for await (const url of createInterface({input: process.stdin})) {
	const report = r => console.log(JSON.stringify({...r, url}))
	const es = new EventSource(url)
	const types = new Set(['message', 'open', 'error', ...new URL(url).searchParams.getAll('type')])
	for (const type of types) es.addEventListener(type, e => {
		if ('data' in e) report({type: e.type, data: e.data, id: e.lastEventId})
		else if (type == 'open') report({open: true})
		else report(es.readyState == EventSource.CLOSED ? {closed: true} : {error: e.message ?? 'it reconnects'})
	})
}
