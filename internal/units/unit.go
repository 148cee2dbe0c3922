package units

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Unit says what a job's service does, as far as it must be allowed to.
//
// Without anything said, a service sees all files, reads them, and writes nowhere but to State, Cache and Writable.
type Unit struct {
	// Job is the name of the job: letters, digits, "-" and "_".
	Job string
	// Config is the name of its configuration file, as ConfigName gives it; empty for the usual one.
	Config string
	// Words are the command: an absolute path of a program, and its arguments.
	Words []string
	// User makes units for the user's own systemd, which may restrict services only a little.
	User bool
	// Calendar are values of OnCalendar=, and Delay is up to how much later than these the job starts, by chance.
	Calendar []string
	Delay    time.Duration

	// State and Cache are the directories of what is remembered. Empty stands for /var/lib/varve and /var/cache/varve, which systemd makes,
	// and with User for those that varve takes by itself. Others should be there.
	State, Cache string
	// Sources are the absolute paths of this machine that are read; where one has to do with /tmp, the service sees the real one.
	Sources []string
	// Mounted are directories that the job wants to be mount points. Restricting a service makes some, but none of these.
	Mounted []string
	// Writable are absolute paths of directories that are written to: stores, and those of files for Prometheus. They need not exist.
	Writable []string
	// Tree says that a local store holds plain files, whose owners, modes and devices are made as they were.
	Tree bool
	// Far says that a source or a store is on another machine, Network that notices go out to the network.
	Far, Network bool
	// Commands says that the job runs hooks, or saves the output of commands: these need much, and nobody knows what.
	Commands bool
	// Freeze says that snapshots of file systems are taken; Devices that tools do it which work on block devices, such as those of LVM.
	Freeze, Devices bool
}

// firstLine is the first line of every unit.
const firstLine = "# Made by varve schedule install, which replaces it, and varve schedule remove, which removes it."

// Service returns the name of the job's service.
func (u *Unit) Service() string { return u.name() + ".service" }

// Timer returns the name of the job's timer.
func (u *Unit) Timer() string { return u.name() + ".timer" }

func (u *Unit) name() string {
	if u.Config == "" {
		return prefix + u.Job
	}
	return prefix + u.Config + "." + u.Job
}

// called is what descriptions call the job.
func (u *Unit) called() string {
	if u.Config == "" {
		return u.Job
	}
	return u.Job + " of " + u.Config
}

// Check returns what is wrong with the unit.
func (u *Unit) Check() error {
	if err := checkJob(u.Job); err != nil {
		return err
	}
	if u.Config != "" && !isConfig(u.Config) {
		return fmt.Errorf("job %s: %q is no name of a configuration file", u.Job, u.Config)
	}
	if len(u.Words) == 0 || !path.IsAbs(u.Words[0]) {
		return fmt.Errorf("job %s: want the absolute path of a program", u.Job)
	}
	if strings.ContainsAny(u.Words[0], "\"'\\") {
		return fmt.Errorf("job %s: the program is %q, and systemd starts none with a quote or a backslash in its path", u.Job, u.Words[0])
	}
	for _, p := range slices.Concat(u.Sources, u.Writable, u.Mounted, u.kept()) {
		if !path.IsAbs(p) {
			return fmt.Errorf("job %s: %q is no absolute path", u.Job, p)
		}
	}
	all := [][]string{u.Words, u.Calendar, u.Sources, u.Writable, u.kept()}
	for _, list := range all {
		for _, text := range list {
			if !utf8.ValidString(text) {
				return fmt.Errorf("job %s: %q is no valid UTF-8, which units must be", u.Job, text)
			}
			if control(text) {
				return fmt.Errorf("job %s: %q has control characters, which units cannot have", u.Job, text)
			}
		}
	}
	return nil
}

// kept returns the directories of what is remembered that systemd does not make.
func (u *Unit) kept() []string {
	return slices.DeleteFunc([]string{u.State, u.Cache}, func(dir string) bool { return dir == "" })
}

// checkJob returns an error where a job's name is no part of a unit's name.
func checkJob(name string) error {
	if name == "" || len(name) > 64 || strings.Trim(name, letters) != "" {
		return fmt.Errorf("%q is no name of a job", name)
	}
	return nil
}

func control(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0
}

// RenderTimer returns the text of the timer. A start that was missed is made up for.
func (u *Unit) RenderTimer() (string, error) {
	if err := u.Check(); err != nil {
		return "", err
	}
	if len(u.Calendar) == 0 {
		return "", errors.New("job " + u.Job + ": has no times to start at")
	}
	var f file
	f.section("Unit")
	f.set("Description", "Times of the backup "+u.called())
	f.section("Timer")
	for _, at := range u.Calendar {
		f.set("OnCalendar", at)
	}
	f.set("Persistent", "true")
	f.set("AccuracySec", "1min")
	if u.Delay >= time.Second {
		f.set("RandomizedDelaySec", fmt.Sprint(int64(u.Delay/time.Second)))
	}
	f.section("Install")
	f.set("WantedBy", "timers.target")
	return f.String(), nil
}

// RenderService returns the text of the service.
func (u *Unit) RenderService() (string, error) {
	if err := u.Check(); err != nil {
		return "", err
	}
	var f file
	f.section("Unit")
	f.set("Description", "Backup "+u.called())
	if u.Far && !u.User {
		f.set("Wants", "network-online.target")
		f.set("After", "network-online.target")
	}
	f.section("Service")
	f.set("Type", "oneshot")
	f.set("ExecStart", command(u.Words))
	f.set("SuccessExitStatus", "75") // nothing is wrong that a later run would not mend
	f.set("SyslogLevel", "warning")  // where all is well nothing is printed
	f.set("TimeoutStartSec", "infinity")
	f.set("TimeoutStopSec", "10min")
	f.set("KillMode", "mixed") // varve ends its commands, and runs those that must be run at the end
	f.set("Nice", "10")
	f.set("CPUWeight", "20")
	f.set("IOWeight", "20")
	f.set("IOSchedulingClass", "idle")
	u.restrict(&f)
	return f.String(), nil
}

// file is a unit being written.
type file struct{ strings.Builder }

func (f *file) section(name string) {
	if f.Len() == 0 {
		f.WriteString(firstLine + "\n")
	}
	fmt.Fprintf(f, "\n[%s]\n", name)
}

func (f *file) set(key, value string) { fmt.Fprintf(f, "%s=%s\n", key, value) }

// plain reports whether a word means itself, to systemd and to a shell.
func plain(word string) bool {
	return word != "" && strings.Trim(word, letters+"+=.,/:@") == ""
}

// quoted returns a word of a setting.
func quoted(word string) string {
	if plain(word) {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(word) + `"`
}

// command returns words for ExecStart=, where variables are expanded as well.
func command(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		if all[i] = quoted(w); i > 0 { // no variable is expanded in the path of the program
			all[i] = strings.ReplaceAll(all[i], "$", "$$")
		}
	}
	return strings.Join(all, " ")
}
