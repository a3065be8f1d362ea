package load

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

const (
	clockInterval = 20 * time.Millisecond
	maxLag        = 20 * time.Millisecond // of the 99th percentile
	maxCPU        = 0.9                   // of the processors
)

// A clock measures how late this process is: how long after its time a timer fires, and how
// busy the processors are.
type clock struct {
	lag histogram
	cpu time.Duration // that the run has used
}

func (c *clock) run(ctx context.Context) {
	before := cpuTime()
	timer := time.NewTimer(clockInterval)
	defer timer.Stop()
	due := time.Now().Add(clockInterval)
	for {
		select {
		case <-timer.C:
			c.lag.record(time.Since(due))
			due = time.Now().Add(clockInterval)
			timer.Reset(clockInterval)
		case <-ctx.Done():
			c.cpu = cpuTime() - before
			return
		}
	}
}

// process returns what this process used in some time, and whether it was the bottleneck.
func (c *clock) process(elapsed time.Duration) Process {
	p := Process{CPU: c.cpu, Processors: runtime.GOMAXPROCS(0), SchedulerLag: c.lag.distribution()}
	busy := float64(p.CPU) / (float64(elapsed) * float64(p.Processors))
	late := p.SchedulerLag.P99
	switch {
	case late > maxLag && busy > maxCPU:
		p.Bottleneck = fmt.Sprintf("this process used %.0f %% of its processors, and 1 %% of its timers fired more than %v late: figures of that size are its own", 100*busy, late.Round(time.Millisecond))
	case late > maxLag:
		p.Bottleneck = fmt.Sprintf("1 %% of the timers of this process fired more than %v late, though it used %.0f %% of its processors: the machine is busy, and figures of that size are its own", late.Round(time.Millisecond), 100*busy)
	}
	return p
}
