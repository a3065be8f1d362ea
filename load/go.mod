module github.com/lastevent/sse/load

go 1.26.0

replace github.com/lastevent/sse => ../

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0
	github.com/lastevent/sse v0.0.0
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.47.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
