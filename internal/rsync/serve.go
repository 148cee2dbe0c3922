package rsync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// ServeOptions describe a push. Original, Stdin and Stdout are required.
type ServeOptions struct {
	Receiver
	// Original is the command that the client asked for: sshd has it in SSH_ORIGINAL_COMMAND.
	Original string
	// Stdin and Stdout lead to the client. rsync itself reads and writes them.
	Stdin  *os.File
	Stdout *os.File
}

// Serve is the far end of an rsync client's push, to be run as a forced command. The error matches ErrRefused where the client wants
// what it may not have; it should be printed for the client to see. In any case the program should exit with Result.Status: the
// client's rsync then exits with that, too, and so with 0 only where there is a snapshot.
func Serve(ctx context.Context, o ServeOptions) (Result, error) {
	r, err := o.request()
	if err != nil {
		o.log("no transfer: " + err.Error())
		status := statusUsage
		if !errors.Is(err, ErrRefused) {
			status = statusProtocol
		}
		return Result{Status: status}, err
	}
	t := &transfer{
		options: append([]string{"--server"}, r.args()...),
		from:    []string{"."},
		silence: o.stall(),
		dry:     r.dry,
		xattrs:  strings.Contains(r.shorts, "X"),
		stdin:   o.Stdin,
		stdout:  o.Stdout,
	}
	if r.timeout > 0 {
		t.silence = min(t.silence, r.timeout)
	}
	return o.receive(ctx, t)
}

// request finds out what the client wants.
func (o *ServeOptions) request() (*request, error) {
	o.log(fmt.Sprintf("push: %q", o.Original))
	r, err := parseCommand(o.Original)
	if err != nil {
		return nil, err
	}
	if r.secluded {
		words, err := readSecluded(o.Stdin, o.stall())
		if err != nil {
			return nil, err
		}
		o.log(fmt.Sprintf("push, secluded: %q", words))
		if err := errors.Join(r.read(words), r.check()); err != nil {
			return nil, err
		}
	}
	for _, option := range r.leftOut {
		o.log("not handed on: " + option)
	}
	if o.fakes() && strings.Contains(r.shorts, "A") && strings.Contains(r.shorts, "X") {
		o.log("rsync loses the default ACLs of directories that have other extended attributes, too, where it may not set ACLs")
	}
	if strings.ContainsAny(r.shorts, "og") && !r.numeric() {
		o.log("owners are mapped by their names on this host; a client keeps the numbers with --numeric-ids")
	}
	return r, nil
}
