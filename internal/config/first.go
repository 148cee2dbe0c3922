package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// FirstOptions say what the first file is about. Store and Sources are required; places on this machine are absolute.
type FirstOptions struct {
	Store   string
	Sources []string
	// Kind is that of the store; empty stands for Tree.
	Kind Kind
	// PassphraseFile or PassphraseCommand opens the store; both empty where it is a tree, or something else will open it.
	PassphraseFile    string
	PassphraseCommand string
	// Open says that nothing need open the store although it is a vault.
	Open bool
	// DayNames names snapshots by the day.
	DayNames bool
	// StoreSSH and JobSSH are the command lines that reach the machines of the store and of the sources; empty for the default.
	StoreSSH, JobSSH []string
	// Connections is how many sessions with an SFTP server the store is to have; 0 for the default.
	Connections int
	// Mail is who gets mail from this machine; empty, or no address, where it sends none.
	Mail string
	// Syslog says that this machine has a log that somebody may read.
	Syslog bool
	// Other is the configuration that the tables are to be added to; nil for none. Their names are not in it.
	Other *Config
}

// firstHead, firstTables and firstNotices are the first file; words in capitals are replaced.
const (
	firstHead = `# What varve backs up, where to, when, and who hears of trouble. "varve config check" finds mistakes, "varve help config" tells more; every
# key is explained in the manual, config.md.

`
	firstTables = `[store.STORENAME]
place = PLACE
OPENINGkeep = { last = 3, daily = 7, weekly = 4, monthly = 12 }   # everything else is removed
verify = { every = "1w" }          # looks for damage
drill = { every = "30d" }          # restores some files to see that it works; the first time at once

[job.JOBNAME]
sources = [SOURCES]
stores = ["STORENAME"]                  # name more than one, and the others get a copy
exclude = []                       # patterns as in a .gitignore, such as "*.tmp" or "/home/*/.cache"
REACHschedule = "daily 02:00"           # "varve schedule install" has it run then
overdue = "1d"                     # so much later than due is an alarm

# [[job.JOBNAME.command]]            # what a command prints, saved as a file
# path = "/dumps/all.sql"
# run = "pg_dumpall"
# user = "postgres"
`
	firstNotices = `
NOTICES# [notice.alive]                   # a service that misses the pings of a machine that is dead
# kind = "ping"
# url-file = "/etc/varve/ping.url"
`
	firstMail = `[notice.mail]                      # who hears of trouble
kind = "mail"
to = [ADDRESS]
`
	firstServer = `# [notice.mail]                    # who hears of trouble; this machine has no sendmail
# kind = "mail"
# to = ["you@example.org"]
# smtp = "mail.example.org:587"
`
	firstLog = `[notice.log]                       # trouble goes to the system's log
kind = "syslog"
on = ["failure", "suspect", "incomplete", "overdue", "recovered"]
`
)

// First returns a first file with comments, which Parse understands. TOML holds no names that are not UTF-8: they are an error.
func First(o FirstOptions) ([]byte, error) {
	tables, err := FirstTables(o)
	if err != nil {
		return nil, err
	}
	notices := firstMail + "\n"
	if checkAddress(o.Mail) != nil {
		notices = firstServer + "\n"
		if o.Syslog {
			notices += firstLog + "\n"
		}
	}
	notices = strings.Replace(firstNotices, "NOTICES", strings.Replace(notices, "ADDRESS", quote(o.Mail), 1), 1)
	return slices.Concat([]byte(firstHead), tables, []byte(notices)), nil
}

// FirstTables returns the tables of the store and of the job alone, for a file that exists.
func FirstTables(o FirstOptions) ([]byte, error) {
	if o.Store == "" || len(o.Sources) == 0 {
		return nil, errors.New("write configuration: neither store nor sources may be missing")
	}
	if o.Kind == "" {
		o.Kind = Tree
	}
	for _, text := range slices.Concat([]string{o.Store, o.PassphraseFile, o.PassphraseCommand, o.Mail}, o.Sources, o.StoreSSH, o.JobSSH) {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("write configuration: %q is not UTF-8, and cannot be written in TOML", text)
		}
	}
	store, job := o.names()
	return []byte(strings.NewReplacer("STORENAME", store, "JOBNAME", job, "PLACE", quote(o.Store), "OPENING", o.opening(), "SOURCES", quoteAll(o.Sources),
		"REACH", o.reach()).Replace(firstTables)), nil
}

// names returns names for the store and the job that the other configuration has not.
func (o FirstOptions) names() (store, job string) {
	store, job = "main", "files"
	for n := 2; o.Other != nil && o.Other.Store(store) != nil; n++ {
		store = fmt.Sprintf("main%d", n)
	}
	for n := 2; o.Other != nil && o.Other.Job(job) != nil; n++ {
		job = fmt.Sprintf("files%d", n)
	}
	return store, job
}

// opening returns the lines that say what the store is, what opens it, and how it is reached.
func (o FirstOptions) opening() string {
	lines := []string{"kind = " + quote(string(o.Kind))}
	switch {
	case o.PassphraseFile != "":
		lines = append(lines, "passphrase-file = "+quote(o.PassphraseFile))
	case o.PassphraseCommand != "":
		lines = append(lines, "passphrase-command = "+quote(o.PassphraseCommand))
	case o.Kind == Vault && !o.Open:
		lines = append(lines, "# passphrase-file = \"/etc/varve/main.pass\"   # this, passphrase-command or key-file must open it when nobody is there")
	}
	if o.DayNames {
		lines = append(lines, "day-names = true")
	}
	if strings.HasPrefix(o.Store, "/") {
		lines = append(lines, "# mounted = \"/mnt/backup\"          # a disk that comes and goes: this must be a mount point, or nothing is done")
	}
	if len(o.StoreSSH) > 0 {
		lines = append(lines, "ssh = ["+quoteAll(o.StoreSSH)+"]")
	}
	if o.Connections > 0 {
		lines = append(lines, fmt.Sprint("connections = ", o.Connections))
	}
	return strings.Join(lines, "\n") + "\n"
}

// reach returns the lines that say how the sources are reached, and where the walk ends.
func (o FirstOptions) reach() string {
	var text string
	if slices.Contains(o.Sources, "/") {
		text = "one-file-system = true             # \"/\" has others in it that are no files, such as /proc: name those that are\n"
	}
	if len(o.JobSSH) > 0 {
		text += "ssh = [" + quoteAll(o.JobSSH) + "]\n"
	}
	return text
}

// quoteAll returns texts as the elements of a list.
func quoteAll(texts []string) string {
	var quoted []string
	for _, text := range texts {
		quoted = append(quoted, quote(text))
	}
	return strings.Join(quoted, ", ")
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
