.PHONY: test demo bench conformance fuzz lint ci

test: ## the tests, with the race detector
	go test -race -shuffle=on ./...

demo: ## a stream that survives a bad server
	go run ./cmd/sse -demo

bench: ## beside the peers and the limits, in ten minutes: bench/RESULTS.md and its plots
	cd bench && go run ./report

conformance: ## against a browser, other people's servers, and faults: conformance/README.md
	cd conformance && go test ./...

fuzz: ## five minutes of each fuzz target
	go test -run '^$$' -fuzz '^FuzzParser$$' -fuzztime 5m .
	go test -run '^$$' -fuzz '^FuzzRoundTrip$$' -fuzztime 5m .

lint: ## more linters than CI runs
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...

ci: ## all that CI runs
	.ci/run
