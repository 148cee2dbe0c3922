package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
)

// Sizes of what is sent, in bytes. ntfy makes an attachment of what is longer.
const (
	pingSize = 10_000
	ntfySize = 4_000
)

// parseURL returns the address of a web service. The error does not show it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("want a URL that begins with https:// or http://")
	}
	return u, nil
}

// address returns where the channel's service is, with more behind its path.
func (c *Channel) address(more ...string) (*url.URL, error) {
	text := c.URL
	if text == "" {
		var err error
		if text, err = secret(c.URLFile); err != nil {
			return nil, err
		}
	}
	u, err := parseURL(text)
	if err != nil || len(more) == 0 {
		return u, err
	}
	return u.JoinPath(more...), nil
}

// body returns the report as JSON with its title and text, one object and a newline.
func (r *Report) body() ([]byte, error) {
	all := struct {
		Title string `json:"title"`
		Text  string `json:"text"`
		*Report
	}{r.Title(), r.Text(), r}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("describe the run: %w", err)
	}
	return append(text, '\n'), nil
}

// webhook posts JSON.
func (s *Sender) webhook(ctx context.Context, c *Channel, r *Report) error {
	body, err := r.body()
	if err != nil {
		return err
	}
	u, err := c.address()
	if err != nil {
		return err
	}
	return s.post(ctx, c, u, http.Header{"Content-Type": {"application/json"}}, body)
}

// ntfy posts a message with a title, a priority and a tag.
func (s *Sender) ntfy(ctx context.Context, c *Channel, r *Report) error {
	priority, tag := "default", "white_check_mark"
	switch r.Event.level() {
	case 3:
		priority, tag = "high", "rotating_light"
	case 4:
		priority, tag = "high", "warning"
	case 6:
		priority = "low"
	}
	header := http.Header{"Title": {mime.QEncoding.Encode("utf-8", r.Title())}, "Priority": {priority}, "Tags": {tag}}
	header.Set("Content-Type", "text/plain; charset=utf-8")
	u, err := c.address()
	if err != nil {
		return err
	}
	return s.post(ctx, c, u, header, []byte(cut(r.Text(), ntfySize)))
}

// ping tells a service that waits for it.
func (s *Sender) ping(ctx context.Context, c *Channel, r *Report) error {
	var more []string
	switch r.Event {
	case Start:
		more = []string{"start"}
	case Failure, Suspect, Incomplete, Overdue:
		more = []string{"fail"}
	}
	u, err := c.address(more...)
	if err != nil {
		return err
	}
	return s.post(ctx, c, u, http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, []byte(cut(r.Text(), pingSize)))
}

// post sends body to u. The error shows no more of u than its host.
func (s *Sender) post(ctx context.Context, c *Channel, u *url.URL, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be asked for")
	}
	req.Header = header
	req.Header.Set("User-Agent", "varve")
	if c.TokenFile != "" {
		token, err := secret(c.TokenFile)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return temporary{fmt.Errorf("%s: %w", u.Host, bare(err))}
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again; nothing depends on it
	return judge(u.Host, resp.StatusCode)
}

// judge returns an error where a service did not accept what it was sent.
func judge(host string, status int) error {
	if status >= 200 && status < 300 {
		return nil
	}
	err := fmt.Errorf("%s: answered %s", host, bytes.TrimSpace([]byte(strconv.Itoa(status)+" "+http.StatusText(status))))
	switch {
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: the service is elsewhere; write its new address", err)
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return temporary{err}
	}
	return err
}

// bare returns what went wrong with a request, without the URL that net/http puts before it.
func bare(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}
