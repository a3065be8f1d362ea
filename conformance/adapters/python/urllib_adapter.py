"""The second null adapter, for sseconform -server: urllib of the standard library, and a loop over lines."""
import json
import sys
import threading
import urllib.request

lock = threading.Lock()


def read(url):
    def report(**what):
        with lock:
            print(json.dumps({**what, "url": url}), flush=True)

    request = urllib.request.Request(url, headers={"Accept": "text/event-stream"})
    try:
        with urllib.request.urlopen(request) as response:
            report(open=True)
            typ, data, last = "message", [], ""
            for line in response:
                name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
                value = value.removeprefix(" ")
                if name == "data":
                    data.append(value)
                elif name == "event":
                    typ = value
                elif name == "id":
                    last = value
                elif not name and not value:
                    if data:
                        report(type=typ, data="\n".join(data), id=last)
                    typ, data = "message", []
    except (OSError, ValueError) as err:
        report(error=str(err))
    report(closed=True)


for line in sys.stdin:
    threading.Thread(target=read, args=(line.strip(),), daemon=True).start()
