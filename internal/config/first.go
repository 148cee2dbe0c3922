package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// FirstOptions say what the first file is about. Store and Sources are required; places on this machine are absolute.
type FirstOptions struct {
	Store   string
	Sources []string
	// Kind is that of the store; empty stands for Tree.
	Kind Kind
	// PassphraseFile opens the store; empty where it is a tree, or asked for.
	PassphraseFile string
}

// firstText is the first file; words in capitals are replaced.
const firstText = `# What varve backs up, where to, and when. "varve config check" finds mistakes; every key is explained in the manual, config.md.

[store.main]
place = PLACE
KIND
# mounted = "/mnt/backup"          # a disk that comes and goes: this must be a mount point, or nothing is done
keep = { last = 3, daily = 7, weekly = 4, monthly = 12 }
verify = { every = "1w" }
drill = { every = "30d" }          # restores some files to see that it works

[job.files]
sources = [SOURCES]
stores = ["main"]                  # name more than one, and the others get a copy
exclude = []                       # patterns as in a .gitignore, such as "*.tmp" or "/home/*/.cache"
schedule = "daily 02:00"           # "varve schedule install" has it run then
overdue = "1d"                     # so much later than due is an alarm

# [[job.files.command]]            # what a command prints, saved as a file
# path = "/dumps/all.sql"
# run = "pg_dumpall"
# user = "postgres"

# [notice.mail]                    # who hears of trouble
# kind = "mail"
# to = ["root"]
`

// First returns a first file with comments, which Parse understands. TOML holds no names that are not UTF-8: they are an error.
func First(o FirstOptions) ([]byte, error) {
	if o.Store == "" || len(o.Sources) == 0 {
		return nil, errors.New("write configuration: neither store nor sources may be missing")
	}
	if o.Kind == "" {
		o.Kind = Tree
	}
	for _, text := range append([]string{o.Store, o.PassphraseFile}, o.Sources...) {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("write configuration: %q is not UTF-8, and cannot be written in TOML", text)
		}
	}
	var quoted []string
	for _, source := range o.Sources {
		quoted = append(quoted, quote(source))
	}
	return []byte(strings.NewReplacer("PLACE", quote(o.Store), "KIND", o.opening(), "SOURCES", strings.Join(quoted, ", ")).Replace(firstText)), nil
}

// opening returns the lines that say what the store is and what opens it.
func (o FirstOptions) opening() string {
	line := "kind = " + quote(string(o.Kind))
	switch {
	case o.PassphraseFile != "":
		line += "\npassphrase-file = " + quote(o.PassphraseFile)
	case o.Kind == Vault:
		line += "\n# passphrase-file = \"/etc/varve/main.pass\"   # something must open it when nobody is there"
	}
	return line
}

// quote returns text as TOML has it.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
