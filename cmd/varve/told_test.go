package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// heard is what came to listeners, by who heard it.
type heard struct {
	mu   sync.Mutex
	what map[string][]string
}

func (h *heard) hear(who, what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.what[who] = append(h.what[who], what)
}

// take returns what somebody has heard since he was asked last.
func (h *heard) take(who string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.what[who]
	delete(h.what, who)
	return all
}

// listen starts services for a webhook, ntfy and pings, an SMTP server and a system's log.
func listen(t *testing.T) (all *heard, url, smtp, log string) {
	t.Helper()
	all = &heard{what: map[string][]string{}}
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all.hear(strings.SplitN(r.URL.Path, "/", 3)[1], r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("Priority")+"\n"+string(body))
	}))
	t.Cleanup(web.Close)
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "varve-log-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(dir, "log")
	socket, err := net.ListenPacket("unixgram", log)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() { hearMail(server, all) })
	wait.Go(func() { hearLog(socket, all) })
	t.Cleanup(func() {
		_, _ = server.Close(), socket.Close()
		wait.Wait()
		_ = os.RemoveAll(dir)
	})
	return all, web.URL, server.Addr().String(), log
}

// hearLog takes what is logged.
func hearLog(socket net.PacketConn, all *heard) {
	data := make([]byte, 1<<16)
	for {
		n, _, err := socket.ReadFrom(data)
		if err != nil {
			return
		}
		all.hear("log", string(data[:n]))
	}
}

// hearMail takes letters, one connection after the other.
func hearMail(server net.Listener, all *heard) {
	for {
		conn, err := server.Accept()
		if err != nil {
			return
		}
		converse(conn, all)
		_ = conn.Close()
	}
}

// converse is what a server of mail says.
func converse(conn net.Conn, all *heard) {
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 here")
	var text strings.Builder
	inside := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		line := lines.Text()
		switch {
		case inside && line == ".":
			inside = false
			all.hear("smtp", text.String())
			say("250 taken")
		case inside:
			text.WriteString(line + "\n")
		case line == "DATA":
			inside = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 yes")
		}
	}
}

func TestEveryKindOfNoticeIsHeardWithItsPriority(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "tree", "usb")
	h.found()
	all, url, smtp, log := listen(t)
	h.env = []string{"VARVE_TEST_SYSLOG=" + log}
	h.write("ping.url", url+"/ping\n", 0o600)
	h.write("token", "t0ken\n", 0o600)
	h.more = `
[notice.server]
kind = "mail"
to = ["root@example.org"]
smtp = "` + smtp + `"
[notice.hook]
kind = "webhook"
url = "` + url + `/hook"
[notice.phone]
kind = "ntfy"
url = "` + url + `/phone"
token-file = "~/token"
[notice.alive]
kind = "ping"
url-file = "~/ping.url"
[notice.figures]
kind = "prometheus"
path = "~/figures"
[notice.log]
kind = "syslog"
[notice.run]
kind = "command"
run = "cat >>$HOME/run.json"
`
	h.configure(map[string]string{"job.home": "guard = { marker = ['" + h.at("src/.here") + "'] }\n"})
	expect := func(who string, n int, says ...string) {
		t.Helper()
		got := all.take(who)
		for _, part := range says {
			if !strings.Contains(strings.Join(got, "\n"), part) {
				t.Errorf("%s: %q is missing from %q", who, part, got)
			}
		}
		if len(got) != n {
			t.Errorf("%s heard %d times, want %d: %q", who, len(got), n, got)
		}
	}

	r := h.run(exitFailed)
	h.mailed("FAILED", "guard: ")
	expect("smtp", 1, "Subject: Backup home on testhost FAILED")
	expect("hook", 1, `"event":"failure"`, `"job":"home"`, `"exit":1`)
	expect("phone", 1, "Bearer t0ken high\n", "guard: ")
	expect("ping", 2, "/ping/start ", "/ping/fail ")
	expect("log", 4, "<30>", "<27>", "Backup home on testhost FAILED", "is it a disk that is not mounted?")
	h.figures(`varve_job_last_result{job_name="home",result="failed"} 1`)
	h.saysAll(r.errs, "Backup home on testhost FAILED.")
	if strings.Contains(r.errs, "warning") {
		t.Errorf("somebody could not be told: %s", r.errs)
	}

	h.write("src/.here", "", 0o600)
	h.good()
	h.mailed("is good again")
	expect("smtp", 1, "is good again")
	expect("hook", 1, `"event":"recovered"`)
	expect("phone", 1, " default\n")
	expect("ping", 3, "/ping/start ", "/ping ", "Backup home on testhost is good.")
	expect("log", 3, "<30>", "<29>", "is good again")
	h.figures(`varve_job_last_result{job_name="home",result="success"} 1`, `varve_copy_last_good_timestamp_seconds{job_name="home",store="usb"} `)
	text, err := os.ReadFile(h.at("run.json"))
	h.must(err)
	var events []string
	for d := json.NewDecoder(strings.NewReader(string(text))); d.More(); {
		var told struct{ Event, Title string }
		h.must(d.Decode(&told))
		events = append(events, told.Event)
	}
	if !slices.Equal(events, []string{"failure", "recovered"}) {
		t.Errorf("the command heard of %q", events)
	}

	h.good() // and of what is well only those hear who want to
	for who, n := range map[string]int{"smtp": 0, "hook": 0, "phone": 0, "ping": 2, "log": 2} {
		expect(who, n)
	}
	if got := h.mails(); got != nil {
		t.Errorf("mails: %q", got)
	}
}

// figures checks the file for Prometheus.
func (h *household) figures(says ...string) {
	h.Helper()
	text, err := os.ReadFile(h.at("figures"))
	h.must(err)
	h.saysAll(string(text), says...)
}

func TestNobodyWhoCannotBeToldKeepsARunFromBeingGood(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "tree", "usb")
	h.found()
	h.more = "[notice.gone]\nkind = 'syslog'\n"
	h.env = []string{"VARVE_TEST_SYSLOG=" + h.at("nowhere")}
	h.configure(nil)
	begin := time.Now()
	if r := h.run(exitGood); r.out != "" || !strings.Contains(r.errs, "warning: tell people: notice gone: no syslog") {
		t.Errorf("it printed %s%s", r.out, r.errs)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}
