package notice

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"os/exec"
	"strings"
	"time"

	"varve/internal/hook"
)

// checkMail returns what is wrong with a channel for mail.
func (c *Channel) checkMail() error {
	if len(c.To) == 0 {
		return errors.New("nobody to send mail to")
	}
	for _, to := range c.To {
		if _, err := parseAddress(to); err != nil {
			return err
		}
	}
	if c.From != "" {
		if _, err := parseAddress(c.From); err != nil {
			return err
		}
	}
	if (c.SMTPUser == "") != (c.SMTPPasswordFile == "") {
		return errors.New("who logs in needs a user and a file with the password")
	}
	if c.SMTP == "" {
		if c.SMTPUser != "" {
			return errors.New("nobody logs in at sendmail")
		}
		return nil
	}
	if host, port, err := net.SplitHostPort(c.SMTP); err != nil || host == "" || port == "" {
		return fmt.Errorf("%q is not HOST:PORT", c.SMTP)
	}
	return nil
}

// parseAddress reads a mail address, or the name of a user.
func parseAddress(text string) (*mail.Address, error) {
	wrong := fmt.Errorf("%q is no mail address", text)
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return nil, wrong
		}
	}
	if !strings.Contains(text, "@") {
		const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"
		if text == "" || text[0] == '-' || strings.Trim(text, plain) != "" {
			return nil, wrong
		}
		return &mail.Address{Address: text}, nil
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address[0] == '-' || strings.IndexFunc(a.Address, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return nil, wrong
	}
	return a, nil
}

// header returns an address for a header.
func header(a *mail.Address) string {
	if !strings.Contains(a.Address, "@") {
		return a.Address
	}
	return a.String()
}

// letter is a mail to be sent.
type letter struct {
	from string // the bare address; empty where the mail system knows
	to   []string
	text []byte // with lines that end in CRLF
}

// compose returns the report as a mail.
func (s *Sender) compose(c *Channel, r *Report) (*letter, error) {
	var l letter
	var to []string
	for _, text := range c.To {
		a, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		l.to, to = append(l.to, a.Address), append(to, header(a))
	}
	from := c.From
	if from == "" && c.SMTP != "" {
		from = "varve@" + hostName(s.opts.Host)
	}
	var b bytes.Buffer
	if from != "" {
		a, err := parseAddress(from)
		if err != nil {
			return nil, err
		}
		l.from = a.Address
		fmt.Fprintf(&b, "From: %s\r\n", header(a))
	}
	now := s.opts.Now()
	sum := sha256.Sum256(fmt.Append(nil, now.UnixNano(), c.Name, r.Text()))
	fmt.Fprintf(&b, "To: %s\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%x@%s>\r\n", strings.Join(to, ",\r\n "),
		mime.QEncoding.Encode("utf-8", cut(r.Title(), 200)), now.Format(time.RFC1123Z), sum[:16], hostName(s.opts.Host))
	b.WriteString("Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	_, err := w.Write([]byte(r.Text()))
	l.text = b.Bytes()
	if err = errors.Join(err, w.Close()); err == nil {
		l.text = b.Bytes()
	}
	return &l, err
}

// hostName returns a name that mail servers take for that of a machine.
func hostName(host string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"
	if host == "" || strings.Trim(host, plain) != "" {
		return "localhost"
	}
	return host
}

// mail sends a mail.
func (s *Sender) mail(ctx context.Context, c *Channel, r *Report) error {
	l, err := s.compose(c, r)
	if err != nil {
		return err
	}
	if c.SMTP != "" {
		return s.smtp(ctx, c, l)
	}
	program, err := s.sendmail()
	if err != nil {
		return err
	}
	text := bytes.ReplaceAll(l.text, []byte("\r\n"), []byte("\n"))
	_, err = hook.Run(ctx, hook.Command{Name: program, Argv: []string{program, "-t", "-i"}, Stdin: text})
	var status *exec.ExitError
	if errors.As(err, &status) && status.ExitCode() == tempFail {
		return temporary{err}
	}
	return err
}

// tempFail is the exit code of sendmail that says to try again, EX_TEMPFAIL of sysexits.h.
const tempFail = 75

// sendmail returns the program that sends mail.
func (s *Sender) sendmail() (string, error) {
	if s.opts.Sendmail != "" {
		return s.opts.Sendmail, nil
	}
	return Sendmail()
}

// Sendmail returns the path of the machine's own program for sending mail: the one in the PATH, else where systems have it; an error where
// there is none.
func Sendmail() (string, error) {
	if path, err := exec.LookPath("sendmail"); err == nil {
		return path, nil
	}
	for _, path := range []string{"/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/local/sbin/sendmail"} { // cron's PATH has none of these
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", errors.New("this machine has no sendmail program, and no SMTP server is named")
}
