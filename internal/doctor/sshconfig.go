package doctor

import (
	"bytes"
	"cmp"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"varve/internal/location"
	"varve/internal/ssh"
)

// maxSaid is how much of what a program prints is kept, in bytes.
const maxSaid = 256 << 10

// said keeps the beginning of what is written to it.
type said struct{ bytes.Buffer }

// Write takes all of p.
func (s *said) Write(p []byte) (int, error) {
	if room := maxSaid - s.Len(); room > 0 {
		s.Buffer.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// ask runs a program of this machine to its end and returns what it prints on both outputs. It has nobody to ask, and at most half of
// Options.Patience.
func (e *exam) ask(words ...string) (out, errs string, err error) {
	ctx, cancel := context.WithTimeout(e.ctx, e.o.Patience/2)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var o, r said
	cmd.Stdout, cmd.Stderr = &o, &r
	cmd.Env = append(os.Environ(), "SSH_ASKPASS_REQUIRE=never", "LC_ALL=C")
	cmd.WaitDelay = e.o.Patience / 10
	err = cmd.Run()
	return o.String(), r.String(), err
}

// sshWords are the words of the ssh command.
func (e *exam) sshWords() []string {
	if words := e.o.Location.Reach.SSH; len(words) > 0 {
		return words[:len(words):len(words)]
	}
	return []string{"ssh"}
}

// sshLine returns an ssh command to the target of s as somebody would type it, with options before the host and words behind it.
func (e *exam) sshLine(s location.Spec, options []string, behind ...string) string {
	return command(append(append(e.sshWords(), append(options, reaching(s.Target)...)...), behind...)...)
}

// reaching returns the arguments with which ssh reaches t.
func reaching(t ssh.Target) (args []string) {
	if t.Port != 0 {
		args = append(args, "-p", strconv.Itoa(t.Port))
	}
	host := t.Host
	if t.User != "" {
		host = t.User + "@" + host
	}
	return append(args, host)
}

// settings are what ssh makes of its configuration for one host.
type settings struct {
	host, port, user string
	alias            string   // the name under which the host key is known; empty for host
	known            []string // files of host keys, the user's first
	keys             []string // files of the user's own keys
	indirect         bool     // by way of another machine or program
}

// settings returns what ssh makes of its configuration for s; what s says where ssh does not tell.
func (e *exam) settings(s location.Spec) settings {
	var c settings
	if e.begin("ssh") && tame(s.Target.User) && tame(s.Target.Host) {
		words := append(append(e.sshWords(), "-G"), reaching(s.Target)...)
		out, _, _ := e.ask(words...) // without an answer, s has to do
		c = parseSettings(out)
	}
	c.host = cmp.Or(c.host, s.Target.Host)
	if c.port == "" {
		c.port = strconv.Itoa(cmp.Or(s.Target.Port, sshPort))
	}
	c.user = cmp.Or(c.user, s.Target.User)
	return c
}

const sshPort = 22

// tame reports whether a configuration may be asked about a word, which it may hand to a shell.
func tame(word string) bool {
	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-_:%+", r)
	}
	return !strings.HasPrefix(word, "-") && !strings.ContainsFunc(word, odd)
}

// parseSettings reads what ssh -G prints: a line for each setting, its name in lower case.
func parseSettings(text string) (c settings) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "hostname":
			c.host = value
		case "port":
			c.port = value
		case "user":
			c.user = value
		case "hostkeyalias":
			c.alias = value
		case "userknownhostsfile", "globalknownhostsfile":
			for _, file := range strings.Fields(value) {
				c.known = append(c.known, atHome(file))
			}
		case "identityfile":
			c.keys = append(c.keys, atHome(value))
		case "proxyjump", "proxycommand":
			c.indirect = c.indirect || value != "none" && value != ""
		}
	}
	return c
}

// atHome returns path with a leading ~ undone.
func atHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	home, err := os.UserHomeDir()
	if !ok || err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

// address is where ssh connects to.
func (c settings) address() string { return net.JoinHostPort(c.host, c.port) }

// knownAs is the name under which the host key is looked up.
func (c settings) knownAs() string {
	switch {
	case c.alias != "":
		return c.alias
	case c.port != strconv.Itoa(sshPort):
		return "[" + c.host + "]:" + c.port
	}
	return c.host
}

// boxDomains are the domains of the storage boxes whose ways are known.
const (
	boxDomain    = ".your-storagebox.de"
	oldBoxDomain = ".your-backup.de"
)

// isBox reports whether s is a place on a storage box.
func (c settings) isBox(s location.Spec) bool {
	for _, host := range [...]string{c.host, s.Target.Host} {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if strings.HasSuffix(host, boxDomain) || strings.HasSuffix(host, oldBoxDomain) {
			return true
		}
	}
	return false
}
