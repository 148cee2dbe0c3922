package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// watchSignals returns a context that the first SIGINT or SIGTERM cancels, and each SIGHUP. The second calls exit. SIGUSR1 goes to a.signals
// for good: whoever asks a moment too late for progress must not end the program. stop ends the rest.
func (a *app) watchSignals(exit func(int)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ends := make(chan os.Signal, 2)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(a.signals, syscall.SIGUSR1)
	if !signal.Ignored(syscall.SIGHUP) { // nohup wants it to be
		signal.Notify(a.hangups, syscall.SIGHUP)
	}
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for count := 0; ; count++ {
			select {
			case <-done:
				return
			case <-a.hangups: // of a terminal it may come twice, and hooks go on
				cancel()
				count--
			case <-ends:
				cancel()
				if count > 0 {
					exit(exitInterrupted)
				}
			}
		}
	}()
	return ctx, func() {
		signal.Stop(ends)
		signal.Stop(a.hangups)
		close(done)
		<-finished
		cancel()
	}
}
