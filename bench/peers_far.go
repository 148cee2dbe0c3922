package main

import "slices"

// The ends of names that say how one of our own reaches the far side.
const (
	endSFTP = "-sftp"
	endSSH  = "-ssh"
)

// The names of the programs that work over ssh. Ours have an SFTP server on the far side and nothing else, or varve.
const (
	treeSFTP   = ourTree + endSFTP
	treeSSH    = ourTree + endSSH
	vaultSFTP  = ourVault + endSFTP
	vaultSSH   = ourVault + endSSH
	rsyncSSH   = "rsync-ssh"
	rsyncFsync = "rsync-ssh-fsync"
	sshfsRsync = "sshfs-rsync"
	sshfsRdiff = "sshfs-rdiff-backup"
	resticSFTP = "restic-sftp"
)

func farOurs() []string { return []string{treeSFTP, treeSSH, vaultSFTP, vaultSSH} }

func farNames() []string {
	return append(farOurs(), rsyncSSH, rsyncFsync, sshfsRsync, sshfsRdiff, resticSFTP)
}

// overSFTP reports whether one of our own learns of a far source what SFTP tells, and no more.
func overSFTP(name string) bool { return name == treeSFTP || name == vaultSFTP }

// farOursBeside returns which of our own a program over ssh is compared with: a vault with vaults, plain copies with all, since what there
// is to fetch is the same.
func farOursBeside(name string) []string {
	all := farOurs()
	if isVault(name) {
		return slices.DeleteFunc(all, func(ours string) bool { return !isVault(ours) })
	}
	return all
}

// newFarPeer returns the program of that name, with the way to the far side; varve is the path of our own, here and there.
func newFarPeer(name, varve string, way line) peer {
	switch name {
	case rsyncSSH:
		return linkDest{line: way}
	case rsyncFsync:
		return linkDest{line: way, fsync: true}
	case sshfsRsync:
		return sshfs{peer: linkDest{}, line: way}
	case sshfsRdiff:
		return sshfs{peer: rdiffBackup{}, line: way}
	case resticSFTP:
		return restic{line: way}
	}
	return ours{binary: varve, vault: isVault(name), line: way, both: name == treeSSH || name == vaultSSH}
}
