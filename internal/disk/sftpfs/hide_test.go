package sftpfs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"

	"varve/internal/sshtest"
)

// hiding is a connection whose server seems to offer none of the extensions that have one of the words in their names.
type hiding struct {
	io.ReadWriteCloser
	head *bytes.Reader // the VERSION packet, changed; nil before
	hide func(extension string) bool
}

func (h *hiding) Read(p []byte) (int, error) {
	if h.head == nil {
		if err := h.greet(); err != nil {
			return 0, err
		}
	}
	if h.head.Len() > 0 {
		return h.head.Read(p)
	}
	return h.ReadWriteCloser.Read(p)
}

func (h *hiding) greet() error {
	var length [4]byte
	if _, err := io.ReadFull(h.ReadWriteCloser, length[:]); err != nil {
		return err
	}
	packet := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(h.ReadWriteCloser, packet); err != nil {
		return err
	}
	kept := bytes.Clone(packet[:5])
	field := func() []byte {
		n := binary.BigEndian.Uint32(packet)
		f := packet[:4+n]
		packet = packet[4+n:]
		return f
	}
	for packet = packet[5:]; len(packet) > 0; {
		if name, value := field(), field(); !h.hide(string(name[4:])) {
			kept = append(append(kept, name...), value...)
		}
	}
	h.head = bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(kept))), kept...))
	return nil
}

// hide makes what connect connects to seem to lack some extensions.
func hide(connect func(context.Context) (io.ReadWriteCloser, error), which func(extension string) bool) func(context.Context) (io.ReadWriteCloser, error) {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		conn, err := connect(ctx)
		return &hiding{ReadWriteCloser: conn, hide: which}, err
	}
}

// dialHiding is dial for a server without some extensions.
func dialHiding(t *testing.T, o sshtest.SFTPOptions, which func(extension string) bool) func(context.Context) (io.ReadWriteCloser, error) {
	return hide(dial(t, o), which)
}

// all hides every extension.
func all(string) bool { return true }
