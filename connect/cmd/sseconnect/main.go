// Command sseconnect is a small distribution of Redpanda Connect's engine: the components of
// its MIT-licensed core, the input sse, and an output for NATS JetStream.
//
//	sseconnect -c pipeline.yaml
//
// It has the engine's subcommands: "sseconnect lint pipeline.yaml", "sseconnect create sse//stdout",
// and "sseconnect -h" for the rest.
//
// A configuration that refers to ${DEMO_SSE_URL} or ${DEMO_NATS_URL}, while the environment
// has no such variable, gets servers of its own: see demo.go.
package main

import (
	"context"
	"fmt"
	"os"

	_ "github.com/lastevent/sse/connect"
	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
)

func main() {
	os.Exit(run(context.Background(), os.Args))
}

// run returns the exit code.
func run(ctx context.Context, args []string) int {
	d := new(demo)
	defer d.close()
	code, err := service.RunCLIToCode(ctx,
		service.CLIOptSetArgs(args...),
		service.CLIOptSetBinaryName("sseconnect"),
		service.CLIOptSetProductName("sseconnect"),
		service.CLIOptSetEnvVarLookup(d.lookup))
	if err == nil && code == 0 {
		err = d.summary(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sseconnect:", err)
		return max(code, 1)
	}
	return code
}
