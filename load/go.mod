module github.com/lastevent/sse/load

go 1.26.0

replace github.com/lastevent/sse => ../

require github.com/lastevent/sse v0.0.0

require github.com/cenkalti/backoff/v4 v4.3.0 // indirect
