package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"varve/internal/location"
	"varve/internal/remote"
)

// serving is one run of varve serve.
type serving struct {
	app     *app
	read    bool
	append  bool
	full    bool
	series  string
	host    string
	quota   int64
	log     string
	init    location.Kind
	rsync   bool
	program string // of rsync
	uncaged bool
}

func (a *app) serveCommand() *cobra.Command {
	s := &serving{app: a}
	c := &cobra.Command{
		Use:   "serve (--read | --append | --full | --rsync) [DIR...]",
		Short: "Be the other end of a varve, or of an rsync, on another machine",
		Long: `Answer a varve on another machine over standard input and output, as the command that ssh runs for it. As the forced command of a key, in
~/.ssh/authorized_keys, it decides what that key may do:

  --read     read files below the DIRs, all files where none is named; or, with --store, read that store
  --append   add snapshots to the store and see which there are: nothing can be changed or removed
  --full     everything with the store
  --rsync    with --series: a stock rsync client pushes, and makes a snapshot of a tree store

The store is a directory of this machine. Of a vault it is the storage that is served; keys stay with the clients. A server without keys cannot
tell one sealed object from another: with --append, too, a client that has a full or a maintenance key of the vault can mark snapshots as
forgotten, which varve unforget undoes until a prune. Give machines that must not be able to do that put-only keys.`,
		Example: `  varve serve --append -s /srv/backup --series web1 --quota 500G
  varve serve --read /home /etc
  varve serve --rsync -s /srv/backup --series nas`,
		Args: wants(cobra.ArbitraryArgs),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c.Context(), args) },
	}
	flags := c.Flags()
	flags.BoolVar(&s.read, "read", false, "let the client read")
	flags.BoolVar(&s.append, "append", false, "let the client add")
	flags.BoolVar(&s.full, "full", false, "let the client do everything")
	flags.BoolVar(&s.rsync, "rsync", false, "be the server of a stock rsync client that pushes")
	flags.Var(parsed(&s.series, "NAME", label("series")), "series", "show the client this series of a tree alone")
	flags.Var(parsed(&s.host, "NAME", label("host")), "host", "take this for the client's host, whatever it says")
	flags.Var(parsed(&s.quota, "SIZE", parseSize), "quota", "let the client's snapshots take this many bytes; K, M, G, T are powers of 1024")
	flags.StringVar(&s.log, "log", "", "write what happens to this `FILE` (default the system's log)")
	flags.Var(parsed(&s.init, "KIND", parseKind), "init", "with --full: make the store first, a tree or a vault")
	flags.StringVar(&s.program, "rsync-program", "", "the rsync `PROGRAM` (default the one that is found)")
	flags.BoolVar(&s.uncaged, "no-cage", false, "run rsync also where the kernel cannot confine it")
	return c
}

// run serves until the client goes.
func (s *serving) run(ctx context.Context, args []string) error {
	s.app.served = true
	role, err := s.role(args)
	if err != nil {
		return err
	}
	log, err := s.logger()
	if err != nil {
		return err
	}
	if s.rsync {
		return errors.Join(s.serveRsync(ctx, log.Logger), log.Close())
	}
	return errors.Join(s.serve(ctx, role, args, log.Logger), log.Close())
}

// role returns what the client may do.
func (s *serving) role(args []string) (remote.Role, error) {
	var roles []remote.Role
	for role, given := range map[remote.Role]bool{remote.Read: s.read, remote.Append: s.append, remote.Full: s.full, "rsync": s.rsync} {
		if given {
			roles = append(roles, role)
		}
	}
	switch {
	case len(roles) != 1:
		return "", usagef("give one of --read, --append, --full and --rsync")
	case len(args) > 0 && !s.read:
		return "", usagef("directories are for --read")
	case s.read && (s.quota > 0 || s.host != ""):
		return "", usagef("--quota and --host are for what is added: not for --read")
	case s.read && s.series != "" && s.app.store == "":
		return "", usagef("--series is for a store: with --read it wants --store")
	case s.rsync && s.series == "":
		return "", usagef("--rsync wants --series NAME: the client cannot say it")
	case s.init != "" && !s.full:
		return "", usagef("--init is for --full")
	case !s.rsync && (s.program != "" || s.uncaged):
		return "", usagef("--rsync-program and --no-cage are for --rsync")
	case s.rsync && s.quota > 0:
		return "", usagef("--quota is not for --rsync: a quota of the file system can do that")
	}
	return roles[0], nil
}

// serve answers a varve.
func (s *serving) serve(ctx context.Context, role remote.Role, dirs []string, log *slog.Logger) error {
	svc := remote.Service{Role: role, Series: s.series, Host: s.host, Quota: s.quota, Program: program(), Now: s.app.now, Log: log}
	svc.HostName, _ = s.app.host() // only told
	offer, err := s.offer(ctx, log)
	if err != nil {
		return err
	}
	if offer != nil {
		defer offer.Close() // everything that matters is durable, or was reported to the client as lost
		if offer.Tree != nil {
			svc.Store, svc.Occupied = offer.Tree, offer.Tree.Occupied
		}
		svc.Backend = offer.Storage
	}
	if s.read && (offer == nil || len(dirs) > 0) {
		if svc.OpenSource, err = s.sources(dirs); err != nil {
			return err
		}
	}
	pipe, err := standardPipe()
	if err != nil {
		return err
	}
	err = remote.Serve(ctx, pipe, svc)
	if err != nil {
		log.Warn("broken off", "error", err.Error())
	}
	return err
}

// offer opens the store, or makes it; nil where none is named. An error is logged, too: the client is not the one to mend it.
func (s *serving) offer(ctx context.Context, log *slog.Logger) (*location.Offer, error) {
	if s.app.store == "" && s.read {
		return nil, nil
	}
	offer, err := s.open(ctx)
	if err == nil && offer.Tree == nil {
		if err = s.fitsVault(); err != nil {
			err = errors.Join(err, offer.Close())
		}
	}
	if err != nil {
		log.Error("cannot serve the store", "error", err.Error())
		return nil, err
	}
	return offer, nil
}

// fitsVault returns an error where flags were given that mean nothing for a vault. Whoever gave them would rely on them.
func (s *serving) fitsVault() error {
	switch {
	case s.rsync:
		return usagef("--rsync makes plain files: %s is a vault", quote(s.app.store))
	case s.series != "" || s.host != "":
		return usagef("--series and --host are for a tree: the objects of a vault do not tell whose they are")
	}
	return nil
}

// open opens the store, or makes it.
func (s *serving) open(ctx context.Context) (*location.Offer, error) {
	spec, err := s.app.storeSpec()
	if err != nil {
		return nil, err
	}
	if s.init == "" {
		return location.Serve(ctx, spec, s.app.options(s.app.secrets))
	}
	if s.init == location.Vault {
		if err := s.fitsVault(); err != nil {
			return nil, err
		}
	}
	return location.ServeNew(ctx, spec, s.init, s.app.options(s.app.secrets))
}

// sources returns what opens files for the client: those in dirs, all where there are none.
func (s *serving) sources(dirs []string) (remote.OpenSource, error) {
	home, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	var within []string
	for _, dir := range dirs {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, fmt.Errorf("serve: %w", err)
		}
		within = append(within, dir)
		if real := location.RealPath(dir); real != dir {
			within = append(within, real)
		}
	}
	return func(ctx context.Context, r remote.SourceRequest) (remote.Walk, []string, error) {
		o := s.app.options(s.app.secrets)
		o.Owners = newOwners()
		src, paths, err := location.Offered(ctx, r, within, home, o)
		if err != nil {
			return nil, nil, err
		}
		return src, paths, nil
	}, nil
}

// pipe is standard input and output as one.
type pipe struct{ in, out *os.File }

// standardPipe returns the pipe to whoever has started the program. Closing it ends reads and writes that wait.
func standardPipe() (io.ReadWriteCloser, error) {
	in, err := waitable(os.Stdin)
	if err != nil {
		return nil, err
	}
	out, err := waitable(os.Stdout)
	return pipe{in, out}, err
}

func (p pipe) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p pipe) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p pipe) Close() error                { return errors.Join(p.in.Close(), p.out.Close()) }
