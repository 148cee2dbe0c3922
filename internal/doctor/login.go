package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"varve/internal/location"
)

const (
	// maxOffers is how many keys are told of.
	maxOffers = 10
	offering  = "debug1: Offering public key: "
	accepting = "debug1: Authentications that can continue: "
	tooMany   = "Too many authentication failures"
)

// attempt is what ssh told of one attempt to log in.
type attempt struct {
	keys    []string // "FILE TYPE", in the order in which they were offered
	methods string   // what the server would have accepted
	tooMany bool     // keys were offered before the right one could be
}

// parseAttempt reads what ssh -v prints.
func parseAttempt(text string) (a attempt) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if key, ok := strings.CutPrefix(line, offering); ok {
			key, _, _ = strings.Cut(key, " SHA256:")
			if len(a.keys) < maxOffers && !slices.Contains(a.keys, key) {
				a.keys = append(a.keys, key)
			}
		}
		if methods, ok := strings.CutPrefix(line, accepting); ok {
			a.methods = methods
		}
		a.tooMany = a.tooMany || strings.Contains(line, tooMany)
	}
	return a
}

// login says why the login was refused: it logs in once more, to hear which keys are offered.
func (e *exam) login(s location.Spec, c settings) {
	if !e.begin("login") {
		return
	}
	words := append(e.sshWords(), "-v", "-T", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-s")
	_, text, _ := e.ask(append(append(words, reaching(s.Target)...), "sftp")...) // that it is refused is known
	a := parseAttempt(text)
	offered := "no key was offered"
	if len(a.keys) > 0 {
		offered = "these keys were offered: " + strings.Join(a.keys, ", ")
	}
	if a.methods != "" {
		offered += "; the server takes " + a.methods
	}
	mend := e.install(s, c, a)
	if a.tooMany {
		mend = "name the one that is meant: --ssh '" + command(append(e.sshWords(), "-o", "IdentitiesOnly=yes", "-i")...) + " FILE'\n" + mend
	}
	e.wrong("login", mend, "%s may not log in as %s: %s", "this user", c.user, offered)
}

// install returns how to make a public key known.
func (e *exam) install(s location.Spec, c settings, a attempt) string {
	key, have := publicKey(c, a)
	mend := ""
	if !have {
		mend = "make a key: " + command("ssh-keygen", "-t", "ed25519", "-f", strings.TrimSuffix(key, ".pub")) + "\n"
	}
	if c.isBox(s) {
		return mend + installInBox(c, key)
	}
	words := []string{"ssh-copy-id", "-i", key}
	if c.indirect {
		words = append(words, reaching(s.Target)...)
	} else {
		words = append(words, "-p", c.port, c.user+"@"+c.host)
	}
	return mend + command(words...)
}

// installInBox is install for a storage box, which has a command for it on one port and wants another form of keys on the other.
func installInBox(c settings, key string) string {
	lines := []string{
		"cat " + command(key) + " | " + command("ssh", "-p23", c.user+"@"+c.host, "install-ssh-key"),
		"use port 23, which takes keys as they are: sftp://" + c.user + "@" + c.host + ":23/",
	}
	if c.port != boxPort {
		lines = append(lines, "port "+c.port+" wants RSA or ECDSA keys in the form of RFC 4716, in .ssh/authorized_keys: "+command("ssh-keygen", "-e", "-f", key))
	}
	return strings.Join(lines, "\n")
}

// boxPort is the port on which a storage box takes keys as OpenSSH writes them.
const boxPort = "23"

// publicKey returns the file of a public key of the user's, one that was offered if possible, and whether there is one.
func publicKey(c settings, a attempt) (file string, exists bool) {
	var files []string
	for _, key := range a.keys {
		if i := strings.LastIndexByte(key, ' '); i > 0 {
			files = append(files, key[:i])
		}
	}
	for _, file := range append(files, c.keys...) {
		if filepath.IsAbs(file) && isFile(file+".pub") {
			return file + ".pub", true
		}
	}
	return atHome("~/.ssh/id_ed25519.pub"), false
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
