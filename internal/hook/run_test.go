//go:build unix

package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve"
)

func run(t *testing.T, c Command) string {
	t.Helper()
	out, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAShellLineAndAListOfWordsAreRunInTheRoot(t *testing.T) {
	for _, c := range []Command{{Shell: "pwd; echo $1"}, {Argv: []string{"pwd"}}} {
		if got := strings.TrimSpace(run(t, c)); got != "/" {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if got := run(t, Command{Argv: []string{"printf", "%s|", "a b", "$HOME", "*"}}); got != "a b|$HOME|*|" {
		t.Errorf("words were expanded: %q", got)
	}
}

func TestSecretsOfVarveAreNotInTheEnvironment(t *testing.T) {
	secret := map[string]string{"VARVE_PASSPHRASE": "s3cret", "VARVE_KEY_FILE": "s3cret", "VARVE_STORE": "s3cret", "NOTIFY_SOCKET": "s3cret",
		"AWS_SECRET_ACCESS_KEY": "s3cret", "CREDENTIALS_DIRECTORY": "s3cret"}
	for name, value := range secret {
		t.Setenv(name, value)
	}
	t.Setenv("VARVE_STATE_DIR", "/state")
	t.Setenv("KEPT", "yes")
	out := run(t, Command{Argv: []string{"env"}, Env: []string{"VARVE_JOB=home"}})
	if strings.Contains(out, "s3cret") {
		t.Errorf("a secret is there: %s", out)
	}
	for _, want := range []string{"KEPT=yes", "VARVE_JOB=home", "VARVE_STATE_DIR=/state"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}

func TestAHookIsToldWhatHappened(t *testing.T) {
	snap := &varve.Snapshot{ID: varve.SnapshotID{1}, Files: 12, Bytes: 345}
	f := Facts{Hook: "after", Job: "home", Store: "/mnt/usb/varve", StoreName: "usb", Result: "success", Snapshot: snap, Begin: time.Unix(5, 0)}
	c, err := f.Told(Command{Shell: `cat; echo "$VARVE_HOOK $VARVE_JOB $VARVE_STORE $VARVE_RESULT $VARVE_EXIT $VARVE_SNAPSHOT $VARVE_FILES $VARVE_BEGIN"`})
	if err != nil {
		t.Fatal(err)
	}
	text, line, _ := strings.Cut(run(t, c), "\n")
	if want := "after home /mnt/usb/varve success 0 " + snap.ID.String() + " 12 5\n"; line != want {
		t.Errorf("environment: %q, want %q", line, want)
	}
	var got Facts
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.Job != "home" || got.Snapshot.Files != 12 {
		t.Errorf("standard input: %s, %v", text, err)
	}
	failed := Facts{Job: "home", Exit: -1, Error: "line\nwith \x1b[31m colour"}
	if env := strings.Join(failed.Env(), "\n"); !strings.Contains(env, "VARVE_EXIT=\n") || !strings.Contains(env, "VARVE_SNAPSHOT=\n") {
		t.Errorf("what is not known is not empty: %q", env)
	}
	c, _ = failed.Told(Command{Shell: `printf "%s" "$VARVE_ERROR"`})
	if out := run(t, c); out != `line\nwith \x1b[31m colour` {
		t.Errorf("error text: %q", out)
	}
}

func TestAHookNeedNotReadItsInput(t *testing.T) {
	run(t, Command{Argv: []string{"true"}, Stdin: make([]byte, 1<<20)})
	run(t, Command{Shell: "exec <&-; echo read nothing", Stdin: make([]byte, 1<<20)})
}

func TestOutputIsBoundedAndHarmless(t *testing.T) {
	out := run(t, Command{Shell: `echo begin; head -c 300000 /dev/zero | tr '\0' x; echo end >&2`})
	if !strings.HasPrefix(out, "begin\n") || !strings.HasSuffix(out, "end\n") || !strings.Contains(out, "bytes left out") {
		t.Errorf("lost the ends: %.20q ... %.20q", out, out[len(out)-20:])
	}
	if len(out) > 70_000 {
		t.Errorf("%d bytes were kept", len(out))
	}
	if got := Harmless("a\x1b[2J\tb\xff\r\nc\u202e"); got != "a\\x1b[2J b\\xff\nc\\u202e" {
		t.Errorf("%q", got)
	}
}

func TestAFailureTellsTheStatusAndTheLastWords(t *testing.T) {
	out, err := Run(t.Context(), Command{Name: "hook before of job home", Shell: "echo one; echo two >&2; exit 7"})
	if err == nil || err.Error() != "hook before of job home: exit status 7: one / two" || out != "one\ntwo\n" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := Run(t.Context(), Command{Argv: []string{"/nonexistent/program"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	for _, c := range []Command{{}, {Shell: "a", Argv: []string{"b"}}, {Argv: []string{""}}, {Argv: []string{"a", "\x00"}}, {Shell: "a", Timeout: -1},
		{Shell: "a", Env: []string{"A;B=1"}}, {Shell: "a", Env: []string{"NONE"}}, {Shell: "a", Remote: []string{"ssh"}, User: "root"}} {
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%+v was run", c)
		}
	}
}

// lives reports whether there is a process, other than a dead one that nobody has waited for.
func lives(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// fifo makes a FIFO.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// told waits for a process number in a FIFO.
func told(t *testing.T, fifo string) int {
	t.Helper()
	text, err := os.ReadFile(fifo)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestACancelledRunEndsTheWholeGroupAndTellsWhy(t *testing.T) {
	why := errors.New("the machine shuts down")
	for name, script := range map[string]string{
		"obedient": `sleep 1000 & echo $! > "$0"; wait`,
		"stubborn": `trap "" TERM; sh -c 'trap "" TERM; echo $$ > "$0"; while :; do sleep 1000; done' "$0" & wait; wait`,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		here := fifo(t)
		done := make(chan error)
		go func() {
			_, err := Run(ctx, Command{Argv: []string{"/bin/sh", "-c", script, here}, grace: 100 * time.Millisecond})
			done <- err
		}()
		pid := told(t, here)
		cancel(why)
		if err := <-done; !errors.Is(err, why) {
			t.Errorf("%s: %v", name, err)
		}
		for deadline := time.Now().Add(time.Minute); lives(pid); time.Sleep(time.Millisecond) { // it was killed, and dies soon
			if time.Now().After(deadline) {
				t.Fatalf("%s: a process of the command still lives", name)
			}
		}
	}
}

func TestACommandThatTakesTooLongIsEnded(t *testing.T) {
	for _, limit := range []time.Duration{1, 50 * time.Millisecond} {
		if _, err := Run(t.Context(), Command{Shell: "sleep 1000", Timeout: limit}); !errors.Is(err, ErrTimeout) {
			t.Errorf("after %v: %v", limit, err)
		}
	}
}

func TestWhatIsLeftInTheBackgroundIsLeftAlone(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	c := Command{Argv: []string{"/bin/sh", "-c", `sleep 1000 & echo $! > "$0"; echo done`, pid}, grace: time.Second}
	if out := run(t, c); out != "done\n" {
		t.Errorf("%q", out)
	}
	text, _ := os.ReadFile(pid)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if !lives(n) {
		t.Error("it was ended")
	}
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestOnAnotherMachineTheEnvironmentCrossesInTheCommandLine(t *testing.T) {
	// A shell that forgets its environment stands for a machine far away.
	remote := []string{"env", "-i", "PATH=" + os.Getenv("PATH"), "/bin/sh", "-c"}
	env := []string{"VARVE_JOB=it's; $(id) `id` \"home\"", "VARVE_RESULT=success"}
	c := Command{Remote: remote, Shell: `echo "$VARVE_JOB|$VARVE_RESULT|$(cat)"`, Env: env, Stdin: []byte("in 'put'")}
	if got := run(t, c); got != "it's; $(id) `id` \"home\"|success|in 'put'\n" {
		t.Errorf("%q", got)
	}
	c = Command{Remote: remote, Argv: []string{"printf", "%s|", "a b", "$(id)", "'"}}
	if got := run(t, c); got != "a b|$(id)|'|" {
		t.Errorf("%q", got)
	}
}

func TestRootRunsCommandsAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("VARVE_TEST_STRICT") == "1" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	who, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/0")
	out := run(t, Command{Shell: `id -u; id -G; echo "$HOME $USER $LOGNAME [$XDG_RUNTIME_DIR]"`, User: "nobody"})
	groups, err := who.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	want := who.Uid + "\n" + strings.Join(groups, " ") + "\n" + who.HomeDir + " nobody nobody []\n"
	if out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestAUserThatIsNotThereIsAnError(t *testing.T) {
	if _, err := Run(t.Context(), Command{Shell: "id", User: "no-such-user-here"}); err == nil || !strings.Contains(err.Error(), "no-such-user-here") {
		t.Errorf("%v", err)
	}
}
