package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// machineFor makes a directory that stands for the root of a machine with systemd or with cron, and a program systemctl that does nothing.
func machineFor(t *testing.T, by string) string {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	for _, d := range map[string][]string{bySystemd: {"run/systemd/system"}, byCron: {"etc/cron.d", "usr/sbin/cron"}}[by] {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return dir
}

// install installs what starts the jobs of a configuration, by a program, on a machine.
func install(t *testing.T, machine, program, config string) {
	t.Helper()
	a, out, errs := testApp()
	a.root, a.system = true, machine
	a.program = func() (string, error) { return program, nil }
	if code := run(t.Context(), a, []string{"schedule", "install", "--config", config}); code != exitGood || out.String()+errs.String() != "" {
		t.Fatalf("exit code %d, printed %s%s", code, out, errs)
	}
}

// allSorts is a configuration in which there is a job of every sort.
const allSorts = `
[store.disk]
place = "/mnt/usb disk/100%"
mounted = "/mnt/usb disk"
[store.box]
place = "u@box:varve"
kind = "vault"
passphrase-file = "/etc/varve/box.pass"
[store.local]
place = "/srv/vault"
kind = "vault"
key-file = "/etc/varve/key"
[store.asks]
place = "ssh://root@far/srv/varve"
passphrase-command = "pass varve"
[job.tree]
sources = ["/"]
stores = ["disk"]
schedule = "Mon..Fri 20:00; Sat 10:00"
[job.vault]
sources = ["/home", "/etc"]
stores = ["local"]
schedule = "monthly last 04:30"
[job.far]
sources = ["admin@web:/etc"]
stores = ["box"]
schedule = "hourly :15"
[job.pass]
sources = ["/home"]
stores = ["asks"]
schedule = "every 45m"
[job.hooks]
sources = ["/tmp/x"]
stores = ["local", "box"]
schedule = "weekly Sun 03:30"
hook = { before = "mount /mnt/x", finally = "umount /mnt/x" }
[job.dump]
stores = ["local"]
schedule = "every 1d"
[[job.dump.command]]
path = "/all.sql"
run = "pg_dumpall"
user = "postgres"
`

// notices are those that a job needs something for.
const someNotices = `
[notice.alive]
kind = "ping"
url-file = "/etc/varve/ping"
[notice.figures]
kind = "prometheus"
path = "/var/lib/node_exporter/varve.prom"
`

func TestSystemdIsContentWithWhatIsInstalled(t *testing.T) {
	needs(t, "systemd-analyze")
	for name, text := range map[string]string{"jobs": allSorts, "notices": allSorts + someNotices} {
		t.Run(name, func(t *testing.T) {
			machine := machineFor(t, bySystemd)
			config := filepath.Join(t.TempDir(), "my \"100%\" $varve.toml")
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			install(t, machine, "/bin/true", config)
			all, err := filepath.Glob(filepath.Join(machine, "etc/systemd/system/varve-*"))
			if err != nil || len(all) != 12 {
				t.Fatalf("installed are %q: %v", all, err)
			}
			out, err := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{"verify", "--man=no"}, all...)...).CombinedOutput()
			if err != nil || strings.Contains(string(out), machine) {
				t.Errorf("%v: %s", err, out)
			}
			for _, path := range all {
				if filepath.Ext(path) != ".service" {
					continue
				}
				const most = "50" // of 100: what systemd calls OK
				out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+most, path).CombinedOutput()
				if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil {
					t.Errorf("%s: %v: %s", filepath.Base(path), err, lines[len(lines)-1])
				}
			}
		})
	}
}

func TestALineOfACrontabRunsAsCronRunsIt(t *testing.T) {
	for _, program := range []string{"sh", "nice"} {
		needs(t, program)
	}
	t.Setenv("VARVE_STATE_DIR", t.TempDir())
	machine, work := machineFor(t, byCron), filepath.Join(t.TempDir(), "it's 100% $HOME")
	dir, store := source(t)
	call(t, exitGood, "init", "-s", store)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, config := filepath.Join(work, "varve"), filepath.Join(work, "varve.toml")
	text := fmt.Sprintf("[store.usb]\nplace = %q\n[job.home]\nsources = [%q]\nstores = [\"usb\"]\nschedule = \"daily 02:00\"\n", store, dir)
	err = errors.Join(os.MkdirAll(work, 0o755), os.Symlink(self, program), os.WriteFile(config, []byte(text), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	install(t, machine, program, config)
	lines := cronLines(t, filepath.Join(machine, "etc/cron.d/varve"))
	for i, line := range lines { // the second finds nothing due
		if out := asCron(t, line); out != "" {
			t.Errorf("%d: all is well, and cron would send mail: %s", i, out)
		}
	}
	if out, _ := call(t, exitGood, "snapshots", "-s", store); strings.Count(out, "testhost:home") != 1 {
		t.Errorf("snapshots:\n%s", out)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(text, "daily", "dally", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := asCron(t, lines[0]); !strings.Contains(out, "varve.toml:6:") {
		t.Errorf("the configuration is broken, and cron would send mail with: %s", out)
	}
}

// cronLines returns the commands in a crontab of the system, as the shell gets them from cron; where the program that edits crontabs checks
// them, they must be right.
func cronLines(t *testing.T, path string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	users := ""
	for line := range strings.Lines(string(text)) {
		times, command, found := strings.Cut(strings.TrimSuffix(line, "\n"), " root ")
		if !found {
			continue
		}
		users += times + " " + command + "\n"
		if rest := strings.ReplaceAll(command, `\%`, ""); strings.Contains(rest, "%") {
			t.Fatalf("cron ends the command at %%: %s", line)
		}
		commands = append(commands, strings.ReplaceAll(command, `\%`, "%"))
	}
	if len(commands) != 2 {
		t.Fatalf("crontab:\n%s", text)
	}
	if help, _ := exec.CommandContext(t.Context(), "crontab", "-h").CombinedOutput(); strings.Contains(string(help), "-n\t(dry run") {
		file := filepath.Join(t.TempDir(), "crontab")
		if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "crontab", "-n", file).CombinedOutput(); err != nil || strings.Contains(string(out), "errors") {
			t.Errorf("crontab says %s: %v\n%s", out, err, users)
		}
	}
	return commands
}

// asCron runs a command with all that cron gives it, and returns what cron would send in a mail.
func asCron(t *testing.T, command string) string {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", command)
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "LOGNAME=root", "PATH=/usr/bin:/bin", "SHELL=/bin/sh", "GORACE=atexit_sleep_ms=0"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}

func TestAProgramThatWillNotStayIsRefused(t *testing.T) {
	for _, bad := range []string{"/tmp/go-build1/b001/exe/varve", "/root/.cache/go-build/ab/abc-d/varve", "/scratch/me/varve", "/var/tmp/varve", "/run/x/varve"} {
		if err := lasting(bad, "/scratch/"); !errors.Is(err, errProgram) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, good := range []string{"/usr/local/bin/varve", "/tmpfs/varve", "/home/me/running/varve", "/scratchy/varve"} {
		if err := lasting(good, "/scratch"); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
