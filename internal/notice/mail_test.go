package notice

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// read takes a mail apart.
func read(t *testing.T, text string) (mail.Header, string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header, strings.ReplaceAll(string(body), "\r\n", "\n")
}

func TestMailGoesThroughSendmail(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	opts := options()
	opts.Sendmail = file(t, "sendmail", "#!/bin/sh\n{ echo \"X-Args: $*\"; cat; } > "+out+"\n", 0o755)
	for name, r := range map[string]*Report{"plain": failed(), "hostile": hostile()} {
		if err := send(t, opts, Channel{Kind: Mail, To: []string{"root", "Jürgen <j@example.org>"}}, r); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		h, body := read(t, string(text))
		if h.Get("X-Args") != "-t -i" || h.Get("Bcc") != "" || h.Get("From") != "" || h.Get("To") != "root, =?utf-8?q?J=C3=BCrgen?= <j@example.org>" {
			t.Errorf("%s: %v", name, h)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		if err != nil || subject != cut(r.Title(), 200) {
			t.Errorf("%s: %q, %v", name, subject, err)
		}
		if d := cmp.Diff(r.Text(), body); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if strings.Contains(string(text), "\r") {
			t.Errorf("%s: sendmail wants plain newlines", name)
		}
	}
}

func TestASendmailThatFailsIsTold(t *testing.T) {
	for code, tries := range map[int]int{75: 3, 67: 1} {
		out := filepath.Join(t.TempDir(), "out")
		opts := options()
		opts.Sendmail = file(t, "sendmail", fmt.Sprintf("#!/bin/sh\necho x >> %s; echo no such user >&2; exit %d\n", out, code), 0o755)
		err := send(t, opts, Channel{Kind: Mail, To: []string{"root"}}, failed())
		text, _ := os.ReadFile(out)
		if err == nil || !strings.Contains(err.Error(), "no such user") || len(text) != 2*tries {
			t.Errorf("%d: %d tries, %v", code, len(text)/2, err)
		}
	}
}

// post is an SMTP server.
type post struct {
	listener net.Listener
	tls      *tls.Config // nil where STARTTLS is not offered
	refuse   string      // a recipient
	busy     int         // how many letters are put off first

	mu      sync.Mutex
	letters []string
	said    []string
	crew    sync.WaitGroup
}

func newPost(t *testing.T, p *post) *post {
	t.Helper()
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	p.crew.Go(func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.crew.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { p.listener.Close(); p.crew.Wait() })
	return p
}

func (p *post) serve(conn net.Conn) {
	defer func() { conn.Close() }()
	r, secure := bufio.NewReader(conn), false
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 post")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		p.mu.Lock()
		p.said = append(p.said, line)
		p.mu.Unlock()
		switch verb := strings.ToUpper(strings.Fields(line + " .")[0]); {
		case verb == "EHLO" && p.tls != nil && !secure:
			say("250-post\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250-post\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, p.tls)
			r, secure = bufio.NewReader(conn), true
		case verb == "AUTH":
			say("235 welcome")
		case verb == "RCPT" && p.refuse != "" && strings.Contains(line, p.refuse):
			say("550 \x1b[31mnobody here")
		case verb == "DATA":
			p.data(r, say)
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

func (p *post) data(r *bufio.Reader, say func(string)) {
	say("354 go on")
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy > 0 {
		p.busy--
		say("451 try later")
		return
	}
	p.letters = append(p.letters, b.String())
	say("250 taken")
}

func (p *post) channel(to ...string) Channel {
	return Channel{Kind: Mail, SMTP: p.listener.Addr().String(), To: to}
}

func TestMailGoesToAnSMTPServer(t *testing.T) {
	p := newPost(t, &post{})
	if err := send(t, options(), p.channel("root", "me@example.org"), hostile()); err != nil {
		t.Fatal(err)
	}
	h, body := read(t, p.letters[0])
	if h.Get("From") != "<varve@web1>" || h.Get("To") != "root, <me@example.org>" || h.Get("Date") == "" || !strings.HasSuffix(h.Get("Message-Id"), "@web1>") {
		t.Errorf("%v", h)
	}
	if d := cmp.Diff(hostile().Text(), body); d != "" {
		t.Error(d)
	}
	if got := strings.Join(p.said, "|"); !strings.HasPrefix(got, "EHLO web1|MAIL FROM:<varve@web1>|RCPT TO:<root>|RCPT TO:<me@example.org>|DATA|QUIT") {
		t.Errorf("%q", p.said)
	}
}

func TestSMTPUsesTLSWhereItIsOfferedAndLogsInOnlyThere(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate, which is for 127.0.0.1
	defer web.Close()
	trust := x509.NewCertPool()
	trust.AddCert(web.Certificate())
	p := newPost(t, &post{tls: &tls.Config{Certificates: web.TLS.Certificates}})
	c := p.channel("root")
	c.SMTPUser, c.SMTPPasswordFile = "me", file(t, "password", "pässword\n", 0o600)
	opts := options()
	if err := send(t, opts, c, failed()); err == nil || len(p.letters) > 0 {
		t.Errorf("a certificate that nobody vouches for was accepted: %v", err)
	}
	opts.TLS = &tls.Config{RootCAs: trust}
	if err := send(t, opts, c, failed()); err != nil || len(p.letters) != 1 {
		t.Fatalf("%d letters, %v", len(p.letters), err)
	}
	auth := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00me\x00pässword"))
	said := strings.Join(p.said, "|")
	if !strings.Contains(said, auth) || strings.Index(said, auth) < strings.LastIndex(said, "STARTTLS") {
		t.Errorf("%q", p.said)
	}
}

func TestARecipientWhoIsRefusedKeepsNobodyElseFromGettingMail(t *testing.T) {
	p := newPost(t, &post{refuse: "gone@"})
	err := send(t, options(), p.channel("gone@example.org", "me@example.org"), failed())
	if err == nil || !strings.Contains(err.Error(), "gone@example.org") || len(p.letters) != 1 {
		t.Errorf("%d letters, %v", len(p.letters), err)
	}
	harmless(t, err.Error())
	if err := send(t, options(), p.channel("gone@example.org"), failed()); err == nil || len(p.letters) != 1 {
		t.Errorf("%d letters, %v", len(p.letters), err)
	}
}

func TestASMTPServerThatIsBusyIsAskedAgain(t *testing.T) {
	p := newPost(t, &post{busy: 2})
	if err := send(t, options(), p.channel("root"), failed()); err != nil || len(p.letters) != 1 {
		t.Errorf("%d letters, %v", len(p.letters), err)
	}
}

func TestAnSMTPServerThatSaysNothingIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	opts := options()
	opts.Timeout = 50_000_000
	err = send(t, opts, Channel{Kind: Mail, SMTP: l.Addr().String(), To: []string{"root"}}, failed())
	if err == nil || !strings.Contains(err.Error(), "nobody was told within") {
		t.Errorf("%v", err)
	}
}
