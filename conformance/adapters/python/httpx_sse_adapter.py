"""The adapter of httpx-sse for sseconform. Not tested: see the README beside it."""
import json
import sys

import httpx
from httpx_sse import connect_sse


def report(**what):
    print(json.dumps(what), flush=True)


try:
    with httpx.Client(timeout=None) as client, connect_sse(client, "GET", sys.argv[-1]) as source:
        report(open=True)
        for event in source.iter_sse():
            report(type=event.event, data=event.data, id=event.id)
except httpx.TransportError as err:  # SSEError, too
    report(error=str(err))
report(closed=True)
