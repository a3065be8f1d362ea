.PHONY: test demo bench conformance fuzz mutate soak load fleet lint ci

test: ## the tests, with the race detector
	go test -race -shuffle=on ./...

demo: ## a stream that survives a bad server
	go run ./cmd/sse -demo

bench: ## beside the peers and the limits, in ten minutes: bench/RESULTS.md and its plots
	cd bench && go run ./report

conformance: ## against a browser, other people's servers, and faults: conformance/README.md
	cd conformance && go test ./...

fuzz: ## five minutes of each fuzz target
	ci/fuzz 5m

mutate: ## break the code one place at a time: which breaks do the tests not notice?
	status=0; for module in . fleet; do go run ./internal/mutate -C $$module || status=1; done; exit $$status

soak: ## 2000 streams whose connections drop, for ten minutes
	cd bench && go run ./soak

load: ## 500 streams against a server that restarts
	go run -C load ./cmd/sseload -demo

fleet: ## members and nodes of a fleet are killed and paused, for three minutes
	cd fleet && go test -run TestChaos -chaos 3m -v .

lint: ## everything that reads the code and does not run it
	ci/lint

ci: ## everything that must hold before a change lands; ci/setup installs what it runs against
	ci/all
