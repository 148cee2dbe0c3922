package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"time"

	"varve/internal/hook"
)

// tlsPort is where servers speak TLS from the first byte on; elsewhere they offer it.
const tlsPort = "465"

// smtp gives a letter to a server. Where some of the recipients are refused the others get it, and the error says who did not.
func (s *Sender) smtp(ctx context.Context, c *Channel, l *letter) error {
	host, port, err := net.SplitHostPort(c.SMTP)
	if err != nil {
		return err
	}
	trust := &tls.Config{}
	if s.opts.TLS != nil {
		trust = s.opts.TLS.Clone()
	}
	trust.ServerName = host
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.SMTP)
	if err != nil {
		return temporary{err}
	}
	defer conn.Close()
	undo := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) }) // an error says that it is closed
	defer undo()
	if port == tlsPort {
		conn = tls.Client(conn, trust)
	}
	client, err := smtp.NewClient(conn, host)
	if err == nil {
		err = s.converse(client, c, l, trust, host)
	}
	return verdict(c.SMTP, err)
}

// converse delivers the letter.
func (s *Sender) converse(client *smtp.Client, c *Channel, l *letter, trust *tls.Config, host string) error {
	if err := client.Hello(hostName(s.opts.Host)); err != nil {
		return err
	}
	if _, encrypted := client.TLSConnectionState(); !encrypted {
		if offered, _ := client.Extension("STARTTLS"); offered {
			if err := client.StartTLS(trust); err != nil {
				return err
			}
		}
	}
	if err := logIn(client, c, host); err != nil {
		return err
	}
	refused, err := hand(client, l)
	if err != nil {
		return err
	}
	_ = client.Quit() // the letter was taken
	return refused
}

// logIn logs in where the channel says so. The password goes to nobody in the clear, but to this machine.
func logIn(client *smtp.Client, c *Channel, host string) error {
	if c.SMTPUser == "" {
		return nil
	}
	password, err := secret(c.SMTPPasswordFile)
	if err != nil {
		return err
	}
	if offered, _ := client.Extension("AUTH"); !offered {
		return errors.New("nobody can log in there")
	}
	return client.Auth(smtp.PlainAuth("", c.SMTPUser, password, host))
}

// hand hands the letter over; refused says who will not get it although others do.
func hand(client *smtp.Client, l *letter) (refused, err error) {
	if err := client.Mail(l.from); err != nil {
		return nil, err
	}
	taken := 0
	for _, to := range l.to {
		if err := client.Rcpt(to); err != nil {
			refused = errors.Join(refused, fmt.Errorf("%s: %w", to, err))
			continue
		}
		taken++
	}
	if taken == 0 {
		return nil, refused
	}
	w, err := client.Data()
	if err != nil {
		return nil, err
	}
	_, err = w.Write(l.text)
	if closing := w.Close(); err == nil {
		err = closing
	}
	if refused != nil && err == nil {
		refused = partly{refused}
	}
	return refused, err
}

// partly wraps why some did not get a letter that others got: it is not sent again.
type partly struct{ error }

// verdict returns what came of a conversation with a server, whose words are made harmless.
func verdict(server string, err error) error {
	if err == nil {
		return nil
	}
	named := fmt.Errorf("%s: %s", server, hook.Line(err.Error()))
	var some partly
	var answer *textproto.Error
	var network net.Error
	switch {
	case errors.As(err, &some):
		return named
	case errors.As(err, &answer) && answer.Code < 500, errors.As(err, &network):
		return temporary{named}
	}
	return named
}
