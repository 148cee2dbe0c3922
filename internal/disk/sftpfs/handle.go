package sftpfs

import "varve/internal/sftp"

// held is a file that a session has opened.
type held struct {
	m *member
	sftp.Handle
}

func hold(m *member, h sftp.Handle) *held {
	m.handles.Add(1)
	return &held{m, h}
}

// turn returns a turn on the session that has the file open.
func (h *held) turn(d *Disk) turn { return turn{m: h.m, ctx: d.pool.life} }

// drop gives the file up without waiting.
func (h *held) drop(d *Disk) {
	h.m.handles.Add(-1)
	send(h.turn(d), sftp.Close(h.Handle)).Drop()
}

// with does something with the open file, which counts as an operation under way.
func (h *held) with(d *Disk, f func(t turn) error) error {
	h.m.load.Add(1)
	err := f(h.turn(d))
	d.pool.release(h.m, err)
	return err
}
