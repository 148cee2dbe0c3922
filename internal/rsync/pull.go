package rsync

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PullOptions describe a pull. From is required.
type PullOptions struct {
	Receiver
	// From is what is pulled: what the directory holds comes to lie directly in the stage.
	From Location
	// Password is what From's user logs in with; empty for none. It is handed to rsync on a pipe.
	Password string
	// Exclude are gitignore patterns, relative to the directory that is pulled; the last that matches decides.
	Exclude []string
	// OneFileSystem leaves out file systems that are mounted below the directory.
	OneFileSystem bool
	// LargerThan leaves out files of more bytes; 0 for no limit.
	LargerThan int64
	// NoACLs and NoXattrs are for daemons that cannot send ACLs or extended attributes.
	NoACLs   bool
	NoXattrs bool
}

// connectTime is how many seconds a connection may take to come about.
const connectTime = 60

var errLines = errors.New("a password is a single line")

// Pull brings the files of an rsync daemon into a stage and commits it. What the daemon could not read makes the snapshot incomplete.
func Pull(ctx context.Context, o PullOptions) (Result, error) {
	options, err := o.clientOptions()
	if err != nil {
		return Result{Status: statusUsage}, fmt.Errorf("pull %s: %w", o.From, err)
	}
	t := &transfer{
		options: options,
		from:    []string{"--", o.From.String() + "/"},
		silence: o.stall(),
		port:    cmp.Or(o.From.Port, defaultPort),
		xattrs:  !o.NoXattrs,
	}
	if o.Password != "" {
		t.stdin = bytes.NewReader([]byte(o.Password + "\n"))
	}
	res, err := o.receive(ctx, t)
	if err != nil {
		err = fmt.Errorf("pull %s: %w", o.From, err)
	}
	return res, err
}

// clientOptions returns the options of rsync. Deletions have no part in them: the stage begins empty.
func (o *PullOptions) clientOptions() ([]string, error) {
	if err := o.From.check(); err != nil {
		return nil, err
	}
	if strings.ContainsAny(o.Password, "\n\r\x00") {
		return nil, errLines
	}
	args := []string{"--archive", "--hard-links", "--numeric-ids", "--no-motd", "--contimeout=" + strconv.Itoa(connectTime)}
	if !o.NoACLs {
		args = append(args, "--acls")
	}
	if !o.NoXattrs {
		args = append(args, "--xattrs")
	}
	if o.Password != "" {
		args = append(args, "--password-file=-")
	}
	if o.OneFileSystem {
		args = append(args, "--one-file-system")
	}
	if o.LargerThan > 0 {
		args = append(args, "--max-size="+strconv.FormatInt(o.LargerThan, 10)+"b")
	}
	rules, err := filterRules(o.Exclude)
	return append(args, rules...), err
}
