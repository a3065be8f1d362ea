# What the scripts in this directory share. They source it, and then run in the root of the
# repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# step prints what comes next, and how many seconds after the start that is.
export CI_START=${CI_START:-$(date +%s)}
step() { printf '\n== %s (%d s)\n' "$*" $(($(date +%s) - CI_START)); }

# modules prints the directory of each module: the root, and those nested in it.
modules() { git ls-files go.mod '*/go.mod' | xargs -n1 dirname; }

# tests runs go test. If a test fails, it prints all output; otherwise it prints the
# packages, and the tests that were skipped, each after its reason.
tests() {
	local log status=0
	log=$(mktemp)
	if go test -v "$@" >"$log" 2>&1; then
		awk '/^ *--- SKIP/ { print before; print } /^ok / { print } { before = $0 }' "$log"
	else
		status=1
		cat "$log"
	fi
	rm -f "$log"
	return $status
}

# race is the flag of the race detector, which needs a C compiler. A program that has it
# sleeps for a second at its end, and the tests run hundreds of programs.
race=-race
export GORACE=${GORACE:-atexit_sleep_ms=10}
if ! command -v "$(go env CC)" >/dev/null; then
	race=
	echo "skipped: the race detector needs a C compiler, and there is none"
fi
