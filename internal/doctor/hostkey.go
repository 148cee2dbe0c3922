package doctor

import (
	"strings"

	"varve/internal/location"
)

// hostKey says what is wrong with the host key, and how to look at it. It accepts none.
func (e *exam) hostKey(s location.Spec, c settings, err error) {
	if !e.begin("host key") {
		return
	}
	accept := "then accept it: " + e.sshLine(s, []string{"-o", "StrictHostKeyChecking=ask"})
	file := e.knownIn(c)
	if file == "" {
		e.wrong("host key", fingerprint(c)+accept, "%s does not know the key of %s yet: %s", e.sshWords()[0], c.knownAs(), reason(err))
		return
	}
	forget := "only if it is right, forget the old one: " + command("ssh-keygen", "-R", c.knownAs(), "-f", file) + "\n"
	e.wrong("host key", "was the machine set up anew? If not, somebody may be in its place: do not log in\n"+fingerprint(c)+forget+accept,
		"the key of %s is another one than in %s: %s", c.knownAs(), file, reason(err))
}

// fingerprint returns the line that shows the fingerprints of the host keys.
func fingerprint(c settings) string {
	if c.indirect {
		return "ask its administrator for the fingerprint\n"
	}
	scan := command("ssh-keyscan", "-p", c.port, c.host)
	return "compare with what its administrator says: " + scan + " | ssh-keygen -lf -\n"
}

// knownIn returns the first file that has a key for the host; empty where there is none.
func (e *exam) knownIn(c settings) string {
	for _, file := range c.known {
		out, _, err := e.ask("ssh-keygen", "-F", c.knownAs(), "-f", file)
		if err == nil && strings.TrimSpace(out) != "" {
			return file
		}
	}
	return ""
}
