package sftpfs

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"varve/internal/sftp"
)

// tempName makes up a name for a file that does not stay, of the form that stores clean up.
func (d *Disk) tempName() (string, error) {
	var random [16]byte
	if _, err := io.ReadFull(d.opts.Random, random[:]); err != nil {
		return "", fmt.Errorf("make up a name: %w", err)
	}
	return "tmp-" + hex.EncodeToString(random[:]), nil
}

// renameKeeps reports whether a plain rename refuses to replace, as the protocol demands; found out once with two empty files in a
// directory that is about to be changed anyway. Untried where they cannot be made.
func (d *Disk) renameKeeps(dir string) Fact {
	f := &d.facts
	f.probing.Lock()
	defer f.probing.Unlock()
	if known := f.known(&f.renameKeeps); known != Untried {
		return known
	}
	one, err := d.tempName()
	if err != nil {
		return Untried
	}
	other, err := d.tempName()
	if err != nil {
		return Untried
	}
	one, other = dir+"/"+one, dir+"/"+other
	err = act(d, func(t turn) error { return d.probeRename(t, one, other) })
	for _, path := range [...]string{one, other} {
		_ = act(d, func(t turn) error { return moved(t, sftp.Remove(path)) }) // it may not be there
		d.memory.forget(path)
	}
	if err != nil {
		return Untried
	}
	return f.known(&f.renameKeeps)
}

func (d *Disk) probeRename(t turn, one, other string) error {
	for _, path := range [...]string{one, other} {
		h, err := send(t, sftp.OpenFile(path, sftp.FlagWrite|sftp.FlagCreate, modeOf(anyway))).Wait(t.ctx)
		if err != nil {
			return err
		}
		send(t, sftp.Close(h)).Drop()
	}
	err := moved(t, sftp.Rename(one, other))
	b, looked := t.lookBoth(one, other)
	switch {
	case lost(err), looked != nil:
		return errors.Join(err, looked)
	case err == nil && !b.isFrom:
		d.facts.learn(&d.facts.renameKeeps, false)
	case err != nil && b.isFrom && b.isTo:
		d.facts.learn(&d.facts.renameKeeps, true)
	}
	return nil
}
