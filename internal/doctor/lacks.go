package doctor

import (
	"strings"

	"varve/internal/disk/sftpfs"
	"varve/internal/location"
)

// lacks says what gets lost over SFTP, where it is, and what is better.
func (e *exam) lacks(p *place, d *sftpfs.Disk) {
	a := d.Abilities()
	switch a.RenameKeeps {
	case sftpfs.Works:
		e.good("plain rename", "refuses to replace, as the protocol demands")
	case sftpfs.Fails:
		e.note("plain rename", "", "replaces what is there, against the protocol; varve looks before, and uses hard links where it can")
	}
	if p.store == "" && p.missing == "" && len(p.names) > 0 {
		e.note("as a source", "with varve installed there, nothing is lost: ssh://"+hostOf(p.spec)+"/DIR",
			"SFTP does not tell of hard links, holes, extended attributes, ACLs, inode numbers and fractions of seconds")
	}
	if p.store == location.Vault {
		return
	}
	mend := ""
	if !a.HardLinks || a.Links == sftpfs.Fails || a.Symlinks == sftpfs.Fails || p.box {
		mend = vaultHere(p)
	}
	e.note("as a tree", mend, "its manifest alone would have, or make up for: %s", strings.Join(a.Lacks(), ", "))
}
