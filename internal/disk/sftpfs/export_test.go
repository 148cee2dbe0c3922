package sftpfs

// SetRoom sets how many bytes of memory the files may take that wait for being made durable.
func (d *Disk) SetRoom(n int) { d.ledger.room = n }

// Follow does what SyncAll does with a file that waits.
func (d *Disk) Follow(path string, do func(path string) error) error {
	d.ledger.mu.Lock()
	f := d.ledger.files[path]
	d.ledger.mu.Unlock()
	return d.follow(f, func(path string, _ *written) error { return do(path) })
}
