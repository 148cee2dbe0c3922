package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// newcomer is somebody on a machine of his own, who does what the README says.
type newcomer struct {
	*testing.T
	top string // stands for the root directory
	now time.Time
	env []string
}

// newNewcomer makes a machine with cron, a program that takes mail, and files.
func newNewcomer(t *testing.T) *newcomer {
	t.Helper()
	program, err := exec.LookPath("varve") // this test, as scripts call it
	if err != nil {
		t.Fatal(err)
	}
	n := &newcomer{T: t, top: t.TempDir(), now: time.Date(2026, 11, 20, 10, 20, 30, 0, time.UTC)}
	for name, text := range map[string]string{"etc/hosts": "127.0.0.1 localhost\n", "etc/cron.d/other": "# somebody else's\n", "proc/1/comm": "cron\n",
		"home/u/notes":  "one\n",
		"root/.profile": "", "mnt/backup/lost+found/x": "", "sendmail": "#!/bin/sh\n{ cat; echo; echo END; } >>" + n.path("mails") + "\n"} {
		n.write(name, text)
	}
	n.env = []string{"VARVE_TEST_SYSTEM=" + n.top, "VARVE_TEST_PROGRAM=" + program, "VARVE_TEST_SENDMAIL=" + n.path("sendmail"), "HOME=" + n.path("root"),
		"TMPDIR=" + t.TempDir(), "TZ=UTC", "GORACE=atexit_sleep_ms=0"}
	return n
}

func (n *newcomer) path(name string) string { return filepath.Join(n.top, name) }

func (n *newcomer) write(name, text string) {
	n.Helper()
	err := os.MkdirAll(filepath.Dir(n.path(name)), 0o755)
	if err == nil {
		err = os.WriteFile(n.path(name), []byte(text), 0o755)
	}
	if err != nil {
		n.Fatal(err)
	}
}

// sh runs a line of the shell, which must end with a code, and returns what it prints.
func (n *newcomer) sh(code int, path, line string) string {
	n.Helper()
	c := exec.Command("sh", "-c", line)
	c.Dir, c.Env = n.top, append([]string{"PATH=" + path, "VARVE_TEST_NOW=" + n.now.Format(time.RFC3339)}, n.env...)
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || c.ProcessState.ExitCode() != code {
		n.Fatalf("%s: %v, want exit code %d\n%s", line, err, code, text)
	}
	return string(text)
}

// varve runs a command of varve as a person types it.
func (n *newcomer) varve(code int, line string) string {
	n.Helper()
	return n.sh(code, os.Getenv("PATH"), line)
}

// cron runs what cron would at night, in the environment that cron gives it.
func (n *newcomer) cron(code int) string {
	n.Helper()
	text, err := os.ReadFile(n.path("etc/cron.d/varve"))
	if err != nil {
		n.Fatal(err)
	}
	found := cronLine.FindSubmatch(text)
	if found == nil {
		n.Fatalf("no line for the night: %s", text)
	}
	return n.sh(code, "/usr/bin:/bin", string(found[1]))
}

// cronLine is the line of one of the system's crontabs for every day at two, with the user, and its command.
var cronLine = regexp.MustCompile(`(?m)^0 +2 +\* +\* +\* +root +(.*)$`)

// mails returns the mails that were sent since it was asked last.
func (n *newcomer) mails() []string {
	n.Helper()
	text, err := os.ReadFile(n.path("mails"))
	if err != nil {
		return nil
	}
	if err := os.Remove(n.path("mails")); err != nil {
		n.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\nEND\n"), "\nEND\n")
}

// alarm checks that one mail was sent, with these words in it.
func (n *newcomer) alarm(words ...string) {
	n.Helper()
	mails := n.mails()
	if len(mails) != 1 {
		n.Fatalf("%d mails were sent: %q", len(mails), mails)
	}
	text := strings.NewReplacer("=\n", "", "=3D", "=").Replace(mails[0])
	for _, word := range words {
		if !strings.Contains(text, word) {
			n.Errorf("the mail does not say %q:\n%s", word, text)
		}
	}
}

func TestTheReadmesThreeCommandsMakeAScheduledAlarmedAndProvenBackup(t *testing.T) {
	n := newNewcomer(t)
	commands := readme(t, "Every night, by itself")
	if len(commands) < 4 || commands[3] != "varve status" {
		t.Fatalf("the README has %q", commands)
	}
	for _, line := range commands[:3] {
		for _, dir := range []string{"/mnt/backup", "/etc", "/home/u"} {
			line = strings.ReplaceAll(line, " "+dir, " "+n.path(dir))
		}
		if text := n.varve(exitGood, line); text != "" {
			t.Errorf("%s printed %q", line, text)
		}
	}

	// What the README shows is what there is, but for the figures of the day.
	status := n.varve(exitGood, commands[3])
	shown := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d|\+?\d+(\.\d)? ([KMGT]i)?B| +`)
	if got, want := shown.ReplaceAllString(status, "T"), shown.ReplaceAllString(strings.Join(commands[4:], "\n")+"\n", "T"); got != want {
		t.Errorf("varve status prints\n%sand in the README it is\n%s", got, want)
	}
	if !strings.Contains(status, "2026-11-21 02:00  never    2026-11-20 10:20") {
		t.Errorf("it is not scheduled for tomorrow, or no restore was rehearsed:\n%s", status)
	}
	n.varve(exitGood, "varve config check")
	out := n.path("out")
	n.varve(exitGood, fmt.Sprintf("varve restore -s %s latest:%s -t %s", n.path("mnt/backup/varve"), n.path("home/u"), out))
	if text, err := os.ReadFile(filepath.Join(out, "notes")); err != nil || string(text) != "one\n" {
		t.Errorf("restored %q, %v", text, err)
	}

	// The nights after it, as cron has them.
	n.write("home/u/notes", "two\n")
	for range 3 {
		n.now = n.now.Add(24 * time.Hour)
		if text := n.cron(exitGood); text != "" {
			t.Errorf("cron mails %q", text)
		}
	}
	if text := n.varve(exitGood, "varve snapshots -s "+n.path("mnt/backup/varve")+" --json"); strings.Count(text, `"id"`) != 4 {
		t.Errorf("not one snapshot a night:\n%s", text)
	}
	if mails := n.mails(); mails != nil {
		t.Errorf("mails although all is well: %q", mails)
	}
}

func TestTheReadmesBackupTellsOfABrokenStoreAndOfOneThatIsAway(t *testing.T) {
	n := newNewcomer(t)
	for _, line := range readme(t, "Every night, by itself")[:3] {
		n.varve(exitGood, strings.NewReplacer(" /mnt/", " "+n.path("mnt")+"/", " /etc", " "+n.path("etc"), " /home", " "+n.path("home")).Replace(line))
	}
	store := n.path("mnt/backup/varve")
	inside := strings.TrimSpace(n.sh(exitGood, "/usr/bin:/bin", "ls -d "+store+"/*/*T*"+n.path("home/u/notes")))
	if err := errors.Join(os.Remove(inside), os.WriteFile(inside, []byte("rot\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	n.now = n.now.Add(8 * 24 * time.Hour) // the store is checked every week
	n.cron(exitDamaged)
	n.alarm("To: root\n", "FAILED", "damage", "home/u/notes", "varve restore -s ")
	if text := n.varve(exitFailed, "varve status"); !strings.Contains(text, "wrong: job files, store main: the check of ") {
		t.Errorf("varve status printed\n%s", text)
	}

	if err := os.Rename(n.path("mnt/backup"), n.path("unplugged")); err != nil {
		t.Fatal(err)
	}
	n.now = n.now.Add(24 * time.Hour)
	n.cron(exitNotRun)
	if mails := n.mails(); mails != nil {
		t.Errorf("a disk that is away for a night: %q", mails)
	}
	n.now = n.now.Add(2 * 24 * time.Hour)
	n.cron(exitFailed)
	n.alarm("OVERDUE", "main")
	if text := n.varve(exitFailed, "varve status"); !strings.Contains(text, "wrong: job files, store main: it is overdue") {
		t.Errorf("varve status printed\n%s", text)
	}
}

func TestEveryCommandOfTheReadmeExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	met := 0
	for line := range strings.Lines(string(text)) {
		code, indented := strings.CutPrefix(line, "    ")
		if code, _, _ = strings.Cut(code, " #"); !indented || !strings.HasPrefix(code, "varve ") {
			continue
		}
		met++
		a, _, _ := testApp()
		c, args, err := a.rootCommand().Find(strings.Fields(code)[1:])
		if err == nil {
			err = c.ParseFlags(args)
		}
		if err != nil || !c.Runnable() || c.HasParent() == false {
			t.Errorf("%s: %v", strings.TrimSpace(code), cmp.Or(err, errors.New("no command")))
		}
	}
	if met < 20 {
		t.Errorf("only %d commands were found", met)
	}
}

func TestTheReadmeLeadsToWhatThereIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(checkout, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(checkout, link[1])); err != nil {
			t.Error(err)
		}
	}
	if lines := strings.Count(string(text), "\n"); lines > 200 {
		t.Errorf("it has %d lines: nobody reads that", lines)
	}
}
