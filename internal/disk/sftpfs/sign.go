package sftpfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"varve"
	"varve/internal/sftp"
)

// sign is what a watcher sees of a lease.
type sign struct {
	text  []byte
	mtime uint32
}

func (s sign) equal(o sign) bool { return bytes.Equal(s.text, o.text) && s.mtime == o.mtime }

// view reads the file of a lease. fs.ErrNotExist where there is none.
func (t turn) view(path string, flags sftp.Flags) (h sftp.Handle, s sign, err error) {
	a, err := send(t, sftp.Lstat(path)).Wait(t.ctx)
	if err == nil {
		err = wantKind(a, varve.Regular)
	}
	if err != nil {
		return h, s, err
	}
	if h, err = send(t, sftp.OpenFile(path, flags, sftp.Attrs{})).Wait(t.ctx); err != nil {
		return h, s, err
	}
	buf := make([]byte, leaseSize+1)
	n, err := t.m.ReadAt(t.ctx, h, buf, 0)
	if err != nil && err != io.EOF {
		send(t, sftp.Close(h)).Drop()
		return h, s, err
	}
	return h, sign{buf[:n], a.MTime}, nil
}

// peek reads the file of a lease and closes it.
func (t turn) peek(path string) (sign, error) {
	h, s, err := t.view(path, sftp.FlagRead)
	if err == nil {
		send(t, sftp.Close(h)).Drop()
	}
	return s, err
}

// see reads the file of a lease.
func (d *Disk) see(path string) (sign, error) {
	return ask(d, func(t turn) (sign, error) { return t.peek(path) })
}

// asideName returns where a file that holds text, and was last written at a time, is moved to.
func asideName(path string, text []byte, mtime uint32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", base(path), mtime, text))
	return parent(path) + "/tmp-" + hex.EncodeToString(sum[:16])
}
