// Package mux carries many streams over one pipe between two varve programs: docs/format/wire.md, sections 2 to 4.
//
//	hello, both ways:   "varve wire\n"  oldest u16  newest u16  length u8  program
//	then frames:        type u8  length u24  stream u32  payload
//
// A [Session] is one end of the pipe. Either side opens streams, and each direction of a stream ends by itself. A stream may only send
// what the reader has given credit for, so one that nobody reads neither holds up the others nor fills memory: all streams
// together buffer at most 2 × MaxStreams × 64 KiB and 32 MiB more. A program that has nothing to say sends a beat every 15 seconds,
// and one that hears nothing for 60 seconds gives the connection up.
//
// Nothing that the other side sends is trusted: frames that break a rule end the session with an error that matches [ErrBreach] and
// says which rule.
//
// The package does not compress, since ssh can and most content cannot be compressed any further; it does not encrypt, and knows nothing of
// what the streams are for.
package mux

import (
	"errors"
	"time"
)

// What both sides rely on.
const (
	// MaxFrame is the longest payload of a frame in bytes.
	MaxFrame = 64 << 10
	// MaxStreams is how many streams that it opened one side may have at a time.
	MaxStreams = 256
	// FirstWindow is how many bytes a stream may send before it is given credit.
	FirstWindow = 64 << 10
)

// Sentinels that callers branch on.
var (
	// ErrNotVarve says that what answers is no varve program.
	ErrNotVarve = errors.New("the other side does not speak as varve does")
	// ErrVersion says that the two programs have no version of the protocol in common.
	ErrVersion = errors.New("no version of the protocol in common")
	// ErrBreach says that the other side broke a rule of the protocol.
	ErrBreach = errors.New("the other side breaks the protocol")
	// ErrLost says that the connection ended unannounced, or fell silent.
	ErrLost = errors.New("connection lost")
	// ErrClosed says that the session was closed, by whichever side.
	ErrClosed = errors.New("connection closed")
	// ErrReset says that one side gave the stream up.
	ErrReset = errors.New("stream was given up")
)

// Options say what a session tells of itself. The zero value is right for all but tests, with a Program.
type Options struct {
	// Program is the name and version of this program, at most 255 bytes of it are sent.
	Program string
	// Oldest and Newest are the versions of the protocol that are understood; 0 stands for 1.
	Oldest, Newest uint16
	// Beat is how long nothing is said before a sign of life is sent; 0 stands for 15 seconds. After 4 times as long without
	// hearing anything the connection counts as lost.
	Beat time.Duration
	// Grace is how long Close waits for what is left to be sent; 0 stands for 5 seconds.
	Grace time.Duration
}

func (o Options) filled() Options {
	if o.Oldest == 0 {
		o.Oldest = 1
	}
	o.Newest = max(o.Newest, o.Oldest)
	if o.Beat <= 0 {
		o.Beat = 15 * time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 5 * time.Second
	}
	return o
}

// silentBeats is how many beats in a row may be missed.
const silentBeats = 4
