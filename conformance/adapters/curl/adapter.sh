#!/bin/sh
# The null adapter: curl, and the parser that a script would have. It reads what well-behaved
# servers send, and does not reconnect.
LC_ALL=C
export LC_ALL
cr=$(printf '\r') nl='
'
part() {
	case $2 in
	*[!\ -~]* | *[\"\\]*) printf '"%s_b64":"%s"' "$1" "$(printf %s "$2" | base64 -w0)" ;;
	*) printf '"%s":"%s"' "$1" "$2" ;;
	esac
}
curl -sN -H 'Accept: text/event-stream' -H 'Cache-Control: no-cache' "$1" | {
	type=message data='' id=''
	while IFS= read -r line; do
		line=${line%"$cr"}
		value=${line#*:}
		value=${value# }
		case $line in
		'')
			if [ -n "$data" ]; then
				printf '{' && part type "$type" && printf , && part data "${data#"$nl"}" && printf , && part id "$id" && echo '}'
			fi
			type=message data=''
			;;
		data:*) data=$data$nl$value ;;
		event:*) type=$value ;;
		id:*) id=$value ;;
		esac
	done
}
echo '{"closed":true}'
