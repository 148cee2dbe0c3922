package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"varve/internal/hook"
)

// Kind is a way that a report goes.
type Kind string

// The ways that a report goes.
const (
	Mail       Kind = "mail"
	Webhook    Kind = "webhook"
	Ntfy       Kind = "ntfy"
	Ping       Kind = "ping"
	Command    Kind = "command"
	Prometheus Kind = "prometheus"
	Syslog     Kind = "syslog"
)

// Channel is somebody to be told.
type Channel struct {
	// Name is what errors call the channel.
	Name string
	Kind Kind
	// On are the events that it is told of; empty for all.
	On []Event
	// Jobs are the names of the jobs that it is told of; empty for all.
	Jobs []string
	// To and From are mail addresses, with or without a name; To also names of users. An empty From is the mail system's, or
	// varve@HOST.
	To   []string
	From string
	// SMTP is a server as HOST:PORT; empty for the machine's sendmail. SMTPUser logs in there with the first line of a file.
	SMTP             string
	SMTPUser         string
	SMTPPasswordFile string
	// URL is where a web service is, or the first line of URLFile. The first line of TokenFile is sent as a bearer token.
	URL, URLFile string
	TokenFile    string
	// Run is a command, which finds the report in its environment and on standard input; see hook.Facts. Its own time-out counts.
	Run hook.Command
	// Path is the file for Prometheus.
	Path string
}

// Options are what a Sender needs of the world.
type Options struct {
	// Host is the name of this machine.
	Host string
	// Now tells the time; nil stands for time.Now.
	Now func() time.Time
	// Sleep waits between two attempts, or returns the error of a context that ends before; nil stands for a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Timeout is how long one channel may take in all; 0 for a minute.
	Timeout time.Duration
	// Transport carries requests to web services; nil for HTTP with the proxies of the environment.
	Transport http.RoundTripper
	// TLS says whom to trust as an SMTP server; nil for whom the system trusts.
	TLS *tls.Config
	// Sendmail is the program that takes mail; empty for the system's.
	Sendmail string
	// Journal is standard error where that goes to systemd's journal, which then gets what is for syslog; nil where it does not. See
	// UnderJournal.
	Journal io.Writer
	// Log is the socket of syslog; empty for the system's.
	Log string
}

// Sender tells channels. It may be used by several goroutines.
type Sender struct {
	opts     Options
	channels []Channel
	client   *http.Client
}

const (
	// patience is how long one channel may take.
	patience = time.Minute
	// startPatience is how long it may take to tell of a start.
	startPatience = 10 * time.Second
	// attempts is how often it is tried to tell a channel.
	attempts = 3
)

// New returns a Sender. The errors, joined, say what is wrong with channels; no file is read and nothing is sent.
func New(channels []Channel, opts Options) (*Sender, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Timeout <= 0 {
		opts.Timeout = patience
	}
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport
	}
	var errs []error
	for i := range channels {
		if err := channels[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("notice %s: %w", channels[i].Name, err))
		}
	}
	client := &http.Client{Transport: opts.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Sender{opts: opts, channels: channels, client: client}, errors.Join(errs...)
}

// check returns what is wrong with the channel.
func (c *Channel) check() error {
	for _, e := range c.On {
		if !slices.Contains(known, e) {
			return fmt.Errorf("there is no event %q", e)
		}
	}
	switch c.Kind {
	case Mail:
		return c.checkMail()
	case Webhook, Ntfy, Ping:
		if (c.URL == "") == (c.URLFile == "") {
			return errors.New("want either a URL or a file with one")
		}
		if c.URL == "" {
			return nil
		}
		_, err := parseURL(c.URL)
		return err
	case Command:
		return c.Run.Check()
	case Prometheus:
		if !strings.HasPrefix(c.Path, "/") {
			return errors.New("want the absolute path of a file")
		}
	case Syslog:
	default:
		return fmt.Errorf("there is no kind %q", c.Kind)
	}
	return nil
}

// wants reports whether the channel is told of r.
func (c *Channel) wants(r *Report) bool {
	return (len(c.On) == 0 || slices.Contains(c.On, r.Event)) && (len(c.Jobs) == 0 || slices.Contains(c.Jobs, r.Job))
}

// Send tells all channels that want to know, at the same time, and returns when all have been told or given up: the errors of these,
// joined in the order of the channels.
func (s *Sender) Send(ctx context.Context, r *Report) error {
	errs := make([]error, len(s.channels))
	var wg sync.WaitGroup
	for i := range s.channels {
		if c := &s.channels[i]; c.wants(r) {
			wg.Go(func() {
				if err := s.tell(ctx, c, r); err != nil {
					errs[i] = fmt.Errorf("notice %s: %w", c.Name, err)
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// tell tells one channel, trying again what may go better the next time.
func (s *Sender) tell(ctx context.Context, c *Channel, r *Report) error {
	limit, tries := s.opts.Timeout, attempts
	if r.Event == Start {
		limit, tries = min(limit, startPatience), 1
	}
	if c.Kind == Command { // it has a time-out of its own, and what it did cannot be undone
		return s.command(ctx, c, r)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("nobody was told within %v", limit))
	defer cancel()
	for try := 1; ; try++ {
		err := s.once(ctx, c, r)
		var later temporary
		if err == nil || ctx.Err() == nil && (!errors.As(err, &later) || try >= tries) {
			return err
		}
		if ctx.Err() != nil || s.opts.Sleep(ctx, time.Duration(try*try)*2*time.Second) != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// temporary wraps what may go better the next time.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }

// once tells one channel.
func (s *Sender) once(ctx context.Context, c *Channel, r *Report) error {
	switch c.Kind {
	case Mail:
		return s.mail(ctx, c, r)
	case Webhook:
		return s.webhook(ctx, c, r)
	case Ntfy:
		return s.ntfy(ctx, c, r)
	case Ping:
		return s.ping(ctx, c, r)
	case Prometheus:
		return r.Metrics.write(c.Path)
	}
	return s.log(ctx, r)
}

// command runs a command.
func (s *Sender) command(ctx context.Context, c *Channel, r *Report) error {
	f := hook.Facts{Hook: "notice", Event: string(r.Event), Job: r.Job, Host: r.Host, Series: r.Series, Result: r.Result, Exit: r.Exit,
		Begin: r.Begin, End: r.End, Error: r.Error, Snapshot: r.Snapshot}
	if len(r.Stores) > 0 {
		f.StoreName = r.Stores[0].Name
	}
	run, err := f.Told(c.Run)
	if err != nil {
		return err
	}
	run.Env = append(run.Env, "VARVE_TITLE="+r.Title())
	if run.Stdin, err = r.body(); err != nil {
		return err
	}
	run.Name = "command"
	_, err = hook.Run(ctx, run)
	return err
}

// secretSize is how long a file with a secret may be, in bytes.
const secretSize = 16 << 10

// secret returns the first line of a file.
func secret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, secretSize))
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if first = strings.TrimSpace(first); first == "" {
		return "", fmt.Errorf("%s: its first line is empty", path)
	}
	return first, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
