package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve"
	"varve/internal/sshtest"
)

// logged are hooks that write down what they are told; before may do something besides.
func logged(before, after string) string {
	said := `echo "$VARVE_HOOK $VARVE_RESULT $VARVE_EXIT" >>"$HOME/log"; env >>"$HOME/environment"`
	hook := func(name, more string) string {
		return fmt.Sprintf("%s = '''%s; cat >\"$HOME/%s.json\"; %s'''\n", name, said, name, more)
	}
	return "[job.home.hook]\n" + hook("before", before) + hook("after", after) + hook("failed", "true") + hook("finally", "true")
}

// log returns what the hooks wrote down since it was asked last.
func (h *household) log() []string {
	h.Helper()
	text, err := os.ReadFile(h.at("log"))
	h.must(err)
	h.must(os.Remove(h.at("log")))
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// told returns what a hook read.
func (h *household) told(hook string) (facts struct {
	Hook, Job, Result, Error string
	Exit                     int
	Snapshot                 *varve.Snapshot
}) {
	h.Helper()
	text, err := os.ReadFile(h.at(hook + ".json"))
	h.must(err)
	h.must(json.Unmarshal(text, &facts))
	return facts
}

func TestTheLastHookRunsWhateverHappensAndIsToldWhat(t *testing.T) {
	before := "before  "
	for _, c := range []struct {
		name   string
		job    string
		before string
		after  string
		code   int
		want   []string
		says   string // of the error that the last hook reads
	}{
		{name: "all is well", code: exitGood, want: []string{before, "after success 0", "finally success 0"}},
		{name: "a guard", job: `guard = { marker = ["/nowhere"] }`, code: exitFailed, want: []string{"failed failed 1", "finally failed 1"}, says: "guard"},
		{name: "no store", job: `wait-network = "0s"`, code: exitNotRun, want: []string{"finally skipped 75"}, says: "no store is there"},
		{name: "the first hook", before: "exit 3", code: exitFailed, want: []string{before, "failed failed 1", "finally failed 1"}, says: "before"},
		{name: "a command", job: "command = [{ path = '/dump', run = 'exit 4' }]", code: exitFailed,
			want: []string{before, "failed failed 1", "finally failed 1"}, says: "command of /dump"},
		{name: "missing files", job: "guard = { min-files = 1000 }", code: exitIncomplete,
			want: []string{before, "failed suspect 3", "finally suspect 3"}, says: "suspect"},
		{name: "the hook after it", after: "exit 5", code: exitFailed, want: []string{before, "after success 0", "finally success 1"}, says: "after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, "tree", "usb")
			if c.name != "no store" {
				h.found()
			}
			if c.before == "" {
				c.before = "true"
			}
			if c.after == "" {
				c.after = "true"
			}
			h.configure(map[string]string{"job.home": c.job + "\n" + logged(c.before, c.after)})
			h.run(c.code)
			if got := h.log(); !slices.Equal(trimmed(got), trimmed(c.want)) {
				t.Errorf("the hooks said %q, want %q", got, c.want)
			}
			last := h.told("finally")
			if last.Hook != "finally" || last.Job != "home" || last.Exit != c.code || !strings.Contains(last.Error, c.says) {
				t.Errorf("the last hook read %+v", last)
			}
			if (last.Snapshot != nil) != (c.code == exitGood || c.code == exitIncomplete || c.after != "true") {
				t.Errorf("the snapshot that it read of: %v", last.Snapshot)
			}
		})
	}
}

func trimmed(list []string) (all []string) {
	for _, s := range list {
		all = append(all, strings.TrimSpace(s))
	}
	return all
}

func TestWhoeverEndsARunTheLastHookRunsAndTheNextRunIsGood(t *testing.T) {
	wait := `test ! -e "$HOME/wait" || { echo >"$HOME/reached"; exec sleep 100; }`
	for name, of := range map[string][2]string{ // the job, and the first hook
		"in a hook": {"", wait}, "in a backup": {"command = [{ path = '/dump', run = '" + wait + "' }]\n", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHousehold(t, "tree", "usb")
			h.found()
			h.configure(map[string]string{"job.home": of[0] + logged(of[1], "true")})
			h.must(syscall.Mkfifo(h.at("reached"), 0o600))
			h.write("wait", "", 0o600)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := h.process(ctx, "run", "home", "--config", h.at("varve.toml"))
			h.must(spawn(cmd))
			_, err := os.ReadFile(h.at("reached")) // returns when it was written to
			h.must(err)
			h.must(cmd.Process.Signal(syscall.SIGTERM))
			_ = cmd.Wait() // the code tells
			if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
				t.Errorf("exit code %d", code)
			}
			if got := h.log(); !slices.Equal(got[1:], []string{"failed interrupted 130", "finally interrupted 130"}) {
				t.Errorf("the hooks said %q", got)
			}
			if got := h.mails(); got != nil {
				t.Errorf("mails: %q", got)
			}
			h.must(os.Remove(h.at("wait")))
			h.good()
			if n := len(h.list("usb")); n != 1 {
				t.Errorf("%d snapshots", n)
			}
		})
	}
}

func TestAHookThatTakesTooLongIsEndedAndTold(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "tree", "usb")
	h.found()
	h.configure(map[string]string{"job.home": "hook = { before = { run = 'sleep 100', timeout = '1s' }, finally = 'echo $VARVE_RESULT >>$HOME/log' }\n"})
	h.run(exitFailed)
	h.mailed("FAILED", "hook failed: before: ", "took too long and was ended", "the key timeout of the command")
	if got := h.log(); !slices.Equal(got, []string{"failed"}) {
		t.Errorf("the last hook said %q", got)
	}
}

func TestNoCommandOfAJobSeesASecret(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "vault", "usb")
	h.found()
	h.more = "[notice.told]\nkind = 'command'\nrun = 'env >>$HOME/environment'\non = ['success']\n"
	h.configure(map[string]string{"job.home": "command = [{ path = '/dump', run = 'env >>$HOME/environment' }]\n" + logged("true", "true")})
	for _, name := range []string{"VARVE_PASSPHRASE", "VARVE_PASSPHRASE_COMMAND", "VARVE_KEY_FILE", "AWS_SECRET_ACCESS_KEY", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY"} {
		h.env = append(h.env, name+"=s3cret")
	}
	h.good()
	text, err := os.ReadFile(h.at("environment"))
	h.must(err)
	if n := strings.Count("\n"+string(text), "\nHOME="); n != 5 {
		t.Errorf("%d commands wrote down their environment, want 5", n)
	}
	if strings.Contains(string(text), "s3cret") {
		t.Errorf("a secret is in:\n%s", text)
	}
}

func TestAHookRunsOnAnotherMachineAndIsTold(t *testing.T) {
	o := start(t, sshtest.Options{})
	o.plant(o.at("src"))
	o.good("init", "-s", o.at("store"))
	words, err := json.Marshal(o.Command())
	o.must(err)
	text := fmt.Sprintf(`[store.usb]
place = %q
[job.home]
sources = [%q]
stores = ["usb"]
ssh = %s
[job.home.hook]
after = { run = "cat >%[4]s/told.json; env >%[4]s/told.env", on = "far" }
finally = { run = ["test", "-e", "%[4]s/told.json"], on = "far" }
`, o.at("store"), o.at("src"), words, o.Home)
	o.must(os.WriteFile(o.at("varve.toml"), []byte(text), 0o600))
	o.good("run", "home", "--config", o.at("varve.toml"))
	told, err := os.ReadFile(filepath.Join(o.Dir, "told.json"))
	o.must(err)
	env, err := os.ReadFile(filepath.Join(o.Dir, "told.env"))
	o.must(err)
	id := o.snapshots(o.at("store"))[0].ID.String()
	for _, part := range []string{`"hook":"after"`, `"job":"home"`, `"result":"success"`, id} {
		if !strings.Contains(string(told), part) {
			t.Errorf("%s is missing from %s", part, told)
		}
	}
	for _, part := range []string{"VARVE_HOOK=after\n", "VARVE_RESULT=success\n", "VARVE_EXIT=0\n", "VARVE_SNAPSHOT=" + id + "\n"} {
		if !strings.Contains(string(env), part) {
			t.Errorf("%q is missing from the environment", part)
		}
	}
	o.must(os.WriteFile(o.at("varve.toml"), []byte(strings.Replace(text, "cat >", "echo nobody here >&2; exit 9; cat >", 1)), 0o600))
	o.fails(exitFailed, []string{"hook failed: after: ", "exit status 9: nobody here"}, "run", "home", "--config", o.at("varve.toml"))
}
