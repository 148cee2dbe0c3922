package notice

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// request is one that a service got.
type request struct {
	path   string
	header http.Header
	body   string
}

// service answers requests with codes in turn, the last one for ever.
func service(t *testing.T, codes ...int) (*httptest.Server, *[]request) {
	t.Helper()
	var got []request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, request{r.Method + " " + r.URL.String(), r.Header, string(body)})
		code := codes[min(len(got), len(codes))-1]
		if code/100 == 3 {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		}
		w.WriteHeader(code)
		io.WriteString(w, "the answer repeats "+r.URL.String())
	}))
	t.Cleanup(s.Close)
	return s, &got
}

// overHTTP is options with connections that end with the test.
func overHTTP(t *testing.T) Options {
	opts := options()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	opts.Transport = transport
	return opts
}

func TestAWebhookGetsJSON(t *testing.T) {
	s, got := service(t, 204)
	c := Channel{Kind: Webhook, URLFile: file(t, "url", s.URL+"/secret?key=secret\nmore\n", 0o600), TokenFile: file(t, "token", "t0ken\n", 0o600)}
	if err := send(t, overHTTP(t), c, hostile()); err != nil {
		t.Fatal(err)
	}
	r := (*got)[0]
	var body map[string]any
	if err := json.Unmarshal([]byte(r.body), &body); err != nil || body["event"] != "failure" || body["text"] != hostile().Text() {
		t.Errorf("%v: %.200s", err, r.body)
	}
	if r.path != "POST /secret?key=secret" || r.header.Get("Authorization") != "Bearer t0ken" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", r.path, r.header)
	}
}

func TestNtfyGetsATitleAPriorityAndATag(t *testing.T) {
	for event, want := range map[Event]string{Failure: "high rotating_light", Suspect: "high warning", Recovered: "default white_check_mark", Success: "low white_check_mark"} {
		s, got := service(t, 200)
		r := hostile()
		r.Event, r.Job = event, "hö"+evil
		if err := send(t, overHTTP(t), Channel{Kind: Ntfy, URL: s.URL + "/topic"}, r); err != nil {
			t.Fatal(err)
		}
		h := (*got)[0].header
		if h.Get("Priority")+" "+h.Get("Tags") != want || !strings.HasPrefix(h.Get("Title"), "=?utf-8?q?Backup_h=C3=B6") || h.Get("Bcc") != "" {
			t.Errorf("%s: %v", event, h)
		}
		if n := len((*got)[0].body); n > ntfySize {
			t.Errorf("%d bytes", n)
		}
	}
}

func TestPingsGoWhereTheirEventsBelong(t *testing.T) {
	for event, want := range map[Event]string{Start: "/a%20b/start?rid=1", Success: "/a%20b?rid=1", Recovered: "/a%20b?rid=1", Failure: "/a%20b/fail?rid=1",
		Suspect: "/a%20b/fail?rid=1", Incomplete: "/a%20b/fail?rid=1", Overdue: "/a%20b/fail?rid=1"} {
		s, got := service(t, 200)
		r := hostile()
		r.Event = event
		if err := send(t, overHTTP(t), Channel{Kind: Ping, URL: s.URL + "/a%20b?rid=1"}, r); err != nil {
			t.Fatal(err)
		}
		if g := (*got)[0]; g.path != "POST "+want || len(g.body) > pingSize || g.body == "" {
			t.Errorf("%s: %s, %d bytes", event, g.path, len(g.body))
		}
	}
}

func TestWhatMayGoBetterLaterIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		codes []int
		event Event
		tries int
		good  bool
	}{{[]int{500, 429, 200}, Failure, 3, true}, {[]int{503}, Failure, 3, false}, {[]int{404}, Failure, 1, false}, {[]int{302}, Failure, 1, false},
		{[]int{500, 200}, Start, 1, false}} {
		s, got := service(t, c.codes...)
		r := failed()
		r.Event = c.event
		err := send(t, overHTTP(t), Channel{Kind: Ping, URL: s.URL}, r)
		if len(*got) != c.tries || (err == nil) != c.good {
			t.Errorf("%v: %d tries, %v", c.codes, len(*got), err)
		}
	}
}

func TestErrorsShowNoMoreOfAURLThanItsHost(t *testing.T) {
	s, _ := service(t, 404)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, base := range map[string]string{"answered": s.URL, "closed": closed.URL} {
		address := strings.Replace(base, "://", "://user:passw0rd@", 1) + "/t0ken?k=t0ken"
		for _, c := range []Channel{{Kind: Webhook, URL: address}, {Kind: Ping, URL: address}, {Kind: Ntfy, URLFile: file(t, "url", address, 0o600)}} {
			err := send(t, overHTTP(t), c, failed())
			if err == nil || strings.Contains(err.Error(), "t0ken") || strings.Contains(err.Error(), "passw0rd") || !strings.Contains(err.Error(), base[len("http://"):]) {
				t.Errorf("%s, %s: %v", name, c.Kind, err)
			}
		}
	}
	err := send(t, overHTTP(t), Channel{Kind: Ping, URLFile: file(t, "url", "https://h/\x7ft0ken", 0o600)}, failed())
	if err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("a URL that is none: %v", err)
	}
	err = send(t, overHTTP(t), Channel{Kind: Webhook, URL: s.URL, TokenFile: file(t, "token", "t0ken\r\x01x", 0o600)}, failed())
	if err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("a token that is none: %v", err)
	}
}

func TestAServiceThatNeverAnswersIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer s.Close()
	defer close(hang)
	opts := overHTTP(t)
	opts.Timeout = 50 * time.Millisecond
	err := send(t, opts, Channel{Kind: Ping, URL: s.URL}, failed())
	if err == nil || !strings.Contains(err.Error(), "nobody was told within 50ms") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all, err := New([]Channel{{Kind: Ping, URL: s.URL}}, overHTTP(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Send(ctx, failed()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
