package sftpfs

import (
	"sync"

	"varve/internal/sftp"
)

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

// unsynced are the files that were written and not made durable.
type unsynced struct {
	mu    sync.Mutex
	paths map[string]bool
}

// maxUnsynced bounds the memory of unsynced. Files that find no room in it are made durable at once.
const maxUnsynced = 1 << 18

// add notes a file; false where there is no room.
func (u *unsynced) add(path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.paths == nil {
		u.paths = map[string]bool{}
	}
	if len(u.paths) >= maxUnsynced {
		return false
	}
	u.paths[path] = true
	return true
}

func (u *unsynced) remove(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.paths, path)
}

// move says that what was at one path is at another now.
func (u *unsynced) move(from, to string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.paths[from] {
		delete(u.paths, from)
		u.paths[to] = true
		return
	}
	delete(u.paths, to)
	var below []string
	for path := range u.paths {
		if within(path, from) {
			below = append(below, path)
		}
	}
	for _, path := range below {
		delete(u.paths, path)
		u.paths[to+path[len(from):]] = true
	}
}

// take returns the files and forgets them.
func (u *unsynced) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []string
	for path := range u.paths {
		list = append(list, path)
	}
	clear(u.paths)
	return list
}
