package config

// Notice says who is told of what, and how.
type Notice struct {
	// Name is what the notice is called.
	Name string `toml:"-"`
	// Kind is the way that it goes. The keys from To on belong to some kinds alone, as each of them says.
	Kind Channel `toml:"kind" required:"true"`
	// On are the events that it is sent for. The default is failure, suspect, incomplete, overdue and recovered; for ping, prometheus and
	// syslog all of them.
	On []Event `toml:"on"`
	// Jobs are the names of the jobs that it is sent for. The default is all.
	Jobs []string `toml:"jobs"`
	// To are addresses; for mail.
	To []string `toml:"to"`
	// From is the sender; for mail. The default is up to the mail system.
	From string `toml:"from"`
	// SMTP is the server as HOST:PORT; for mail. The default is the machine's own sendmail.
	SMTP string `toml:"smtp"`
	// SMTPUser is the user to log in as; for mail.
	SMTPUser string `toml:"smtp-user"`
	// SMTPPasswordFile is the file whose first line is the user's password; for mail.
	SMTPPasswordFile string `toml:"smtp-password-file"`
	// URL is where it is sent; for webhook, ntfy and ping.
	URL string `toml:"url"`
	// URLFile is the file whose first line is the URL, where that is a secret; for webhook, ntfy and ping.
	URLFile string `toml:"url-file"`
	// TokenFile is the file whose first line is an access token; for webhook and ntfy.
	TokenFile string `toml:"token-file"`
	// Run is the command; for command.
	Run Call `toml:"run"`
	// Path is the file that is written, which a node exporter reads; for prometheus.
	Path string `toml:"path"`
}

// Channel is a way that a notice goes.
type Channel string

// The ways that a notice goes.
const (
	Mail       Channel = "mail"
	Webhook    Channel = "webhook"
	Ntfy       Channel = "ntfy"
	Ping       Channel = "ping"
	Program    Channel = "command"
	Prometheus Channel = "prometheus"
	Syslog     Channel = "syslog"
)

func (Channel) choices() []string {
	return words(Mail, Webhook, Ntfy, Ping, Program, Prometheus, Syslog)
}

// Event is something that a notice is sent for.
type Event string

// The events. Start and Success come with every run; Recovered is the first success after any of those that are trouble.
const (
	Start      Event = "start"
	Success    Event = "success"
	Failure    Event = "failure"
	Suspect    Event = "suspect"
	Incomplete Event = "incomplete"
	Overdue    Event = "overdue"
	Recovered  Event = "recovered"
)

func (Event) choices() []string {
	return words(Start, Success, Failure, Suspect, Incomplete, Overdue, Recovered)
}

// events are those that a channel is for where the notice does not say.
func (c Channel) events() []Event {
	trouble := []Event{Failure, Suspect, Incomplete, Overdue, Recovered}
	switch c {
	case Ping, Prometheus, Syslog:
		return append([]Event{Start, Success}, trouble...)
	}
	return trouble
}

// keys are the keys that belong to a channel, besides those that all have.
func (c Channel) keys() []string {
	return map[Channel][]string{
		Mail: {"to", "from", "smtp", "smtp-user", "smtp-password-file"}, Webhook: {"url", "url-file", "token-file"},
		Ntfy: {"url", "url-file", "token-file"}, Ping: {"url", "url-file"}, Program: {"run"}, Prometheus: {"path"},
	}[c]
}
