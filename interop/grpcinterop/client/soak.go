package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"sync"
	"time"
)

// soakOptions are the flags of the soak tests.
type soakOptions struct {
	iterations, maxFailures, maxLatencyMs, timeoutSeconds, minTimeMs int
	requestSize, responseSize, workers                               int
}

func (o *soakOptions) flags() {
	flag.IntVar(&o.iterations, "soak_iterations", 10, "calls of a soak test")
	flag.IntVar(&o.maxFailures, "soak_max_failures", 0, "how many of them may fail")
	flag.IntVar(&o.maxLatencyMs, "soak_per_iteration_max_acceptable_latency_ms", 1000, "a call that takes longer has failed")
	flag.IntVar(&o.timeoutSeconds, "soak_overall_timeout_seconds", 10, "the test fails if it takes longer")
	flag.IntVar(&o.minTimeMs, "soak_min_time_ms_between_rpcs", 0, "at least so long from call to call")
	flag.IntVar(&o.requestSize, "soak_request_size", largeRequest, "bytes of a request's payload")
	flag.IntVar(&o.responseSize, "soak_response_size", largeResponse, "bytes of a reply's payload")
	flag.IntVar(&o.workers, "soak_num_threads", 1, "how many call at once")
}

// rpcSoak makes many large calls over one conn.
func rpcSoak(ctx context.Context, c *client) error {
	return soak(ctx, c.options.soak, func(ctx context.Context) error {
		return c.large(ctx, c.options.soak.requestSize, c.options.soak.responseSize)
	})
}

// channelSoak makes many large calls, each over a conn of its own.
func channelSoak(ctx context.Context, c *client) error {
	return soak(ctx, c.options.soak, func(ctx context.Context) error {
		own, err := c.options.dial(ctx)
		if err != nil {
			return err
		}
		defer own.Close()
		return own.large(ctx, c.options.soak.requestSize, c.options.soak.responseSize)
	})
}

func soak(ctx context.Context, o soakOptions, call func(context.Context) error) error {
	if o.workers < 1 || o.iterations%o.workers != 0 {
		return errors.New("-soak_iterations must be a multiple of -soak_num_threads")
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.timeoutSeconds)*time.Second)
	defer cancel()
	var mu sync.Mutex
	failures := 0
	var longest time.Duration
	var workers sync.WaitGroup
	for range o.workers {
		workers.Go(func() {
			for range o.iterations / o.workers {
				begun := time.Now()
				next := time.After(time.Duration(o.minTimeMs) * time.Millisecond)
				err := call(ctx)
				took := time.Since(begun)
				if most := time.Duration(o.maxLatencyMs) * time.Millisecond; err == nil && took > most {
					err = fmt.Errorf("took %v, more than %v", took, most)
				}
				mu.Lock()
				longest = max(longest, took)
				if err != nil {
					failures++
					log.Printf("call %v", err)
				}
				mu.Unlock()
				<-next
			}
		})
	}
	workers.Wait()
	log.Printf("%d of %d calls went well, the longest took %v", o.iterations-failures, o.iterations, longest)
	if failures > o.maxFailures {
		return fmt.Errorf("%d calls failed, %d may", failures, o.maxFailures)
	}
	return ctx.Err()
}
