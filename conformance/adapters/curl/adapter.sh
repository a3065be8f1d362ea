#!/bin/sh
# The null adapter: curl, and the parser that a script would have. It reads what well-behaved
# servers send, and does not reconnect.
b64() { [ -z "$1" ] || printf %s "$1" | base64 -w0; }

curl -sN -H 'Accept: text/event-stream' -H 'Cache-Control: no-cache' "$1" | {
	cr=$(printf '\r') nl='
' type=message data= id=
	while IFS= read -r line; do
		line=${line%"$cr"} value=${line#*:}
		case $line in
		'')
			if [ -n "$data" ]; then
				printf '{"type_b64":"%s","data_b64":"%s","id_b64":"%s"}\n' \
					"$(b64 "$type")" "$(b64 "${data#"$nl"}")" "$(b64 "$id")"
			fi
			type=message data= ;;
		data:*) data=$data$nl${value# } ;;
		event:*) type=${value# } ;;
		id:*) id=${value# } ;;
		esac
	done
}
echo '{"closed":true}'
