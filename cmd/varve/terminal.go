package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"varve/internal/seal"
	"varve/internal/vault"
)

// openTerminal opens the terminal that the program was started at, whatever its inputs and outputs are.
func openTerminal() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) }

// canAsk reports whether there is somebody who can be asked.
func (a *app) canAsk() bool {
	if a.tty == nil {
		return false
	}
	f, err := a.tty()
	if err != nil {
		return false
	}
	_ = f.Close() // nothing was written
	return true
}

// ask asks for a secret, which is not shown. errStopped where the user ends it, vault.ErrKey where he types nothing.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	answer, err := a.inquire(ctx, question, true)
	if err == nil && answer == "" {
		err = marked{"the passphrase is empty", vault.ErrKey}
	}
	return answer, err
}

// inquire asks a question. What is typed is shown unless it is secret.
func (a *app) inquire(ctx context.Context, question string, secret bool) (answer string, err error) {
	if a.tty == nil {
		return "", errors.New("there is no terminal")
	}
	f, err := a.tty()
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	a.screen.clear()
	restore, err := makeRaw(f)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer func() { err = errors.Join(err, restore()) }()
	// A deadline in the past ends the wait where the context ends first.
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	t := term.NewTerminal(f, question)
	if err := t.SetSize(wide, 1); err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	if secret {
		answer, err = t.ReadPassword(question)
	} else {
		answer, err = t.ReadLine()
	}
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, io.EOF): // Ctrl-C or Ctrl-D
		return "", errStopped
	case err != nil:
		return "", fmt.Errorf("terminal: %w", err)
	}
	return answer, nil
}

// wide is more columns than a question has: the terminal breaks lines by itself.
const wide = 1 << 12

// makeRaw stops f from showing what is typed, and returns what undoes that.
func makeRaw(f *os.File) (restore func() error, err error) {
	conn, err := f.SyscallConn() // unlike Fd, it lets deadlines work
	if err != nil {
		return nil, err
	}
	var before *term.State
	var failed error
	if err := conn.Control(func(fd uintptr) { before, failed = term.MakeRaw(int(fd)) }); err != nil || failed != nil {
		return nil, errors.Join(err, failed)
	}
	return func() error {
		var failed error
		err := conn.Control(func(fd uintptr) { failed = term.Restore(int(fd), before) })
		return errors.Join(err, failed)
	}, nil
}

// prompt is how plugins of age, and ssh keys with a passphrase, ask.
func (a *app) prompt(ctx context.Context) seal.Prompt {
	p := seal.Prompt{Tell: func(message string) { a.screen.line("varve: " + plain(message)) }}
	if !a.canAsk() {
		return p
	}
	p.Ask = func(question string, secret bool) (string, error) {
		return a.inquire(ctx, plain(question)+": ", secret)
	}
	p.Confirm = func(question, yes, no string) (bool, error) {
		answer, err := a.inquire(ctx, fmt.Sprintf("%s (%s/%s): ", plain(question), plain(yes), plain(no)), false)
		return strings.EqualFold(strings.TrimSpace(answer), yes), err
	}
	return p
}
