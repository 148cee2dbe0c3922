package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"varve"
	"varve/internal/rsync"
	"varve/internal/tree"
	"varve/internal/walk"
)

// serveRsync is the server of a stock rsync client.
func (s *serving) serveRsync(ctx context.Context, log *slog.Logger) error {
	offer, err := s.offer(ctx, log)
	if err != nil {
		return err
	}
	defer offer.Close() // what was committed is durable
	host := s.host
	if host == "" {
		host = s.series
	}
	r := s.app.receiver(offer.Tree, offer.Path, varve.SaveOptions{Series: s.series, Host: host, Sources: []string{"/"}, Alone: true})
	r.Program, r.Uncaged, r.Log = s.program, s.uncaged, func(line string) { log.Info(line) }
	result, err := rsync.Serve(ctx, rsync.ServeOptions{Receiver: r, Original: s.app.env("SSH_ORIGINAL_COMMAND"), Stdin: os.Stdin, Stdout: os.Stdout})
	return statusOf(result.Status, err)
}

// receiver returns where rsync puts files that become a snapshot of store, which lies at path.
func (a *app) receiver(store *tree.Store, path string, opts varve.SaveOptions) rsync.Receiver {
	opts.Program, opts.Now = program(), a.now
	return rsync.Receiver{
		Stage: func(ctx context.Context) (rsync.Stage, error) {
			g, err := store.Stage(ctx, opts)
			if err != nil {
				return nil, err
			}
			return stage{g, path}, nil
		},
		Source: func(path string) (varve.Source, io.Closer, error) {
			top, err := a.open(path)
			if err != nil {
				return nil, nil, err
			}
			src, err := walk.New(top, []string{""}, walk.Options{Owners: newOwners(), Now: a.now})
			if err != nil {
				return nil, nil, err
			}
			return src, src, nil
		},
		Stderr: a.screen,
	}
}

// stage is a staged snapshot with absolute paths.
type stage struct {
	*tree.Stage
	store string
}

// Path returns the directory to be filled.
func (g stage) Path() string { return filepath.Join(g.store, g.Stage.Path()) }

// Links returns the directories to link from.
func (g stage) Links() []string {
	var links []string
	for _, l := range g.Stage.Links() {
		links = append(links, filepath.Join(g.store, l))
	}
	return links
}
