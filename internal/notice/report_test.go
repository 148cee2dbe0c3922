package notice

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"varve"
	"varve/internal/hook"
)

func TestAReportIsCompleteInItself(t *testing.T) {
	r := failed()
	r.Problems, r.Unlisted, r.Notes = []string{"/home/a: permission denied"}, 7, []string{"/proc was left out"}
	want := `Backup home on web1 FAILED.
No snapshot was made. Nothing was removed.

Began      2026-11-20 02:00:00 UTC
Ended      2026-11-20 02:03:12 UTC, after 3m12s and 4 attempts
Series     web1:home
Error      store usb: no space left
To do      free some space

Stores:
  usb: failed: no space left
  box: 2 copied

What is missing or wrong:
  /home/a: permission denied
  ... and 7 more

Notes:
  /proc was left out

Last good  snapshot abcd0000 of 2026-11-19 02:00:00 UTC
Restore    varve restore --store /mnt/usb/varve abcd0000 --target /restored
Next run   2026-11-21 02:00:00 UTC

-- 
varve 1.0
`
	if d := cmp.Diff(want, r.Text()); d != "" {
		t.Error(d)
	}
}

func TestEveryEventHasATitleOfItsOwn(t *testing.T) {
	met := map[string]bool{}
	for _, e := range known {
		r := failed()
		r.Event, r.Snapshot = e, &varve.Snapshot{ID: varve.SnapshotID{1}, Files: 3, Bytes: 1 << 40, Skipped: 2, State: varve.Incomplete}
		if met[r.Title()] || !strings.HasPrefix(r.Text(), r.Title()+".\n") || !strings.Contains(r.Text(), "1.0 TiB") {
			t.Errorf("%s: %s", e, r.Text())
		}
		met[r.Title()] = true
	}
}

func TestAReportIsHarmlessAndBounded(t *testing.T) {
	r := hostile()
	harmless(t, r.Text())
	harmless(t, r.Title())
	if strings.Contains(r.Title(), "\n") || strings.Contains(r.Text(), "\nBcc") {
		t.Error("a name brought a line of its own")
	}
	if n := len(r.Text()); n > 16<<10 {
		t.Errorf("%d bytes", n)
	}
	r.Error = strings.Repeat("ü", 10_000)
	if n := len(r.Text()); n > 16<<10 {
		t.Errorf("%d bytes with a long error", n)
	}
	if got := cut("ääää", 6); got != "ä..." {
		t.Errorf("%q", got)
	}
}

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 1 << 62: "4.0 EiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestChannelsThatMakeNoSenseAreRefusedAllAtOnce(t *testing.T) {
	bad := []Channel{{Kind: "pigeon"}, {Kind: Mail}, {Kind: Mail, To: []string{"a@b\r\nBcc: c@d"}}, {Kind: Mail, To: []string{"-oX/etc/passwd"}},
		{Kind: Mail, To: []string{"root"}, SMTP: "nowhere"}, {Kind: Mail, To: []string{"root"}, SMTPUser: "x", SMTPPasswordFile: "/x"},
		{Kind: Mail, To: []string{"root"}, From: "x y", SMTP: "a:25"}, {Kind: Mail, To: []string{"<-x@b>"}}, {Kind: Mail, To: []string{"ü@example.org"}},
		{Kind: Webhook}, {Kind: Ping, URL: "ftp://secret"}, {Kind: Ntfy, URL: "https://a/b", URLFile: "/x"},
		{Kind: Prometheus, Path: "x.prom"}, {Kind: Command}, {Kind: Syslog, On: []Event{"never"}}}
	_, err := New(bad, options())
	if n := strings.Count(err.Error(), "notice "); n != len(bad) {
		t.Errorf("%d of %d were refused: %v", n, len(bad), err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("shows a secret: %v", err)
	}
	good := []Channel{{Kind: Mail, To: []string{"root", "Me <me@example.org>"}, From: "varve"}, {Kind: Ping, URL: "http://[::1]:8000/x?y"},
		{Kind: Webhook, URLFile: "/x"}, {Kind: Syslog, On: []Event{Start}}, {Kind: Command, Run: hook.Command{Shell: "true"}}}
	if _, err := New(good, options()); err != nil {
		t.Error(err)
	}
}

func TestAChannelIsToldOfWhatItWantsAlone(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	run := func(word string) hook.Command {
		return hook.Command{Argv: []string{"/bin/sh", "-c", "echo " + word + " >> " + out}}
	}
	s, err := New([]Channel{{Name: "a", Kind: Command, On: []Event{Overdue}, Run: run("event")}, {Name: "b", Kind: Command, Jobs: []string{"web"}, Run: run("job")},
		{Name: "c", Kind: Command, On: []Event{Failure}, Jobs: []string{"home"}, Run: run("yes")}}, options())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), failed()); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(out); string(text) != "yes\n" {
		t.Errorf("%q", text)
	}
}

func TestErrorsOfChannelsAreJoinedAndKeepNobodyElseFromBeingTold(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	s, err := New([]Channel{{Name: "first", Kind: Command, Run: hook.Command{Shell: "exit 3"}}, {Name: "second", Kind: Ping, URLFile: "/nonexistent/url"},
		{Name: "third", Kind: Command, Run: hook.Command{Shell: "echo told > " + out}}}, options())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(t.Context(), failed())
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "notice first: command: exit status 3\nnotice second: ") {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(out); string(text) != "told\n" {
		t.Errorf("%q", text)
	}
}

func TestACommandFindsTheReport(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	c := Channel{Kind: Command, Run: hook.Command{Shell: `{ echo "$VARVE_EVENT|$VARVE_JOB|$VARVE_EXIT|$VARVE_RESULT|$VARVE_TITLE"; cat; } > ` + out}}
	if err := send(t, options(), c, failed()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	first, body, _ := strings.Cut(string(text), "\n")
	if first != "failure|home|1|failed|Backup home on web1 FAILED" {
		t.Errorf("%q", first)
	}
	var got struct {
		Text string
		Report
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Text != failed().Text() || got.GoodID != failed().GoodID {
		t.Errorf("%v: %s", err, body)
	}
}
