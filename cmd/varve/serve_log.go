package main

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
)

// serveLog is where varve serve tells what happens.
type serveLog struct {
	*slog.Logger
	io.Closer
}

// logger opens the log: the file that was asked for, else the system's log, else standard error, which the client sees.
func (s *serving) logger() (*serveLog, error) {
	if s.log != "" {
		f, err := os.OpenFile(s.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
		return &serveLog{slog.New(slog.NewTextHandler(f, nil)), f}, nil
	}
	noTime := slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 { // the system's log has its own
			return slog.Attr{}
		}
		return a
	}}
	if w, err := syslog.New(syslog.LOG_INFO|syslog.LOG_DAEMON, "varve"); err == nil {
		return &serveLog{slog.New(slog.NewTextHandler(w, &noTime)), w}, nil
	}
	noTime.Level = slog.LevelWarn // what went well is nothing that the client's cron should mail
	return &serveLog{slog.New(slog.NewTextHandler(s.app.screen, &noTime)), io.NopCloser(nil)}, nil
}
