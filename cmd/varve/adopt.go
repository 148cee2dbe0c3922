package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"varve/internal/adopt"
	"varve/internal/location"
	"varve/internal/rdiff"
)

// adopting is one run of varve adopt.
type adopting struct {
	app       *app
	style     string
	config    string
	path      string
	series    string
	host      string
	tags      [][]string
	dayNames  bool
	doubtful  bool
	copies    bool
	fakeSuper bool
	dryRun    bool
	init      bool

	given func(flag string) bool // whether a flag was given
}

// rdiffStyle is the style of a repository of rdiff-backup.
const rdiffStyle = "rdiff-backup"

func (a *app) adoptCommand() *cobra.Command {
	k := &adopting{app: a}
	c := &cobra.Command{
		Use:   "adopt [DIR]",
		Short: "Take in what Hactar, rsnapshot, rsync scripts and rdiff-backup have kept",
		Long: `Make the snapshots that another program keeps in DIR snapshots of a store, oldest first. Directories with a date in their names, and those
of rsnapshot, are moved into a tree store on the same file system: nothing is copied, every file is read once for its digest, and hard links
stay. --copy saves them in any store instead and leaves them where they are, as is always done with all sessions of an rdiff-backup repository.

What is found is shown by -n. Unfinished directories, those about to be removed, and today's stay where they are.`,
		Example: `  varve adopt -s /backup/store --init /backup/localhost -n
  varve adopt -s /backup/store --config /etc/rsnapshot.conf
  varve adopt -s /mnt/box/vault --series web:/srv /backups/web`,
		Args: wants(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			k.given = c.Flags().Changed
			return k.run(c.Context(), args)
		},
	}
	flags := c.Flags()
	flags.StringVar(&k.style, "style", "", "how the names are made: hactar, prefix, rsnapshot, rdiff-backup, or a `PATTERN` such as %F_%H-%M (default what fits)")
	flags.StringVar(&k.config, configFlag, "", "the rsnapshot configuration `FILE` that DIR, which need not be given, belongs to")
	flags.StringVar(&k.path, "path", "", "what was backed up lay at this `PATH` (default /)")
	flags.Var(parsed(&k.series, "NAME", label("series")), "series", "the series of the snapshots (default the name of DIR, a prefix, or a host)")
	flags.Var(parsed(&k.host, "NAME", label("host")), "host", "take this for the name of the host (default this one, or what an rsnapshot configuration says)")
	flags.Var(&tagLists{&k.tags}, "tag", "give the snapshots these comma-separated tags (repeatable)")
	flags.BoolVar(&k.dayNames, "day-names", false, "name directories by the day, as in 2026-11-20 (default where those found are)")
	flags.BoolVar(&k.doubtful, "doubtful", false, "take in, too, what may not be finished or has a time that does not fit")
	flags.BoolVar(&k.copies, "copy", false, "save the directories and leave them where they are")
	flags.BoolVar(&k.fakeSuper, "fake-super", false, "read owners, modes and devices where rsync --fake-super has put them")
	flags.BoolVarP(&k.dryRun, "dry-run", "n", false, "print what there is and what would become of it; change nothing")
	flags.BoolVar(&k.init, "init", false, "make the store if there is none")
	return c
}

// run finds out what DIR holds, and takes it in.
func (k *adopting) run(ctx context.Context, args []string) error {
	rs, err := k.readConfig()
	if err != nil {
		return err
	}
	var at string
	switch {
	case len(args) > 0:
		at = args[0]
	case rs != nil:
		at = rs.Root
	default:
		return usagef("no directory: name the one that holds the snapshots, or give --config FILE of rsnapshot")
	}
	if k.path, err = snapshotPath(k.path); err != nil {
		return err
	}
	if at, err = filepath.Abs(at); err != nil {
		return err
	}
	repo, err := k.repository(at, rs)
	if err != nil {
		return err
	}
	if repo != nil {
		return errors.Join(k.takeSessions(ctx, repo, at), repo.Close())
	}
	dir, err := k.app.open(at)
	if err != nil {
		return err
	}
	return errors.Join(k.takeDirectories(ctx, dir, at, rs), dir.Close())
}

// readConfig reads the configuration of rsnapshot; nil where none was given.
func (k *adopting) readConfig() (*adopt.Config, error) {
	if k.config == "" {
		return nil, nil
	}
	c, err := adopt.ParseConfig(k.config, os.ReadFile)
	if err != nil {
		return nil, err
	}
	for _, line := range c.LeftOut {
		k.app.warn("not run, and not known what it would say: %s", plain(line))
	}
	return c, nil
}

// snapshotPath returns a path as it is in a snapshot.
func snapshotPath(text string) (string, error) {
	if text != "" && !filepath.IsAbs(text) || strings.ContainsRune(text, 0) {
		return "", usagef("--path %q: want an absolute path", text)
	}
	return strings.TrimPrefix(filepath.Clean("/"+text), "/"), nil
}

// repository opens the rdiff-backup repository at a path; nil where there is none, or something else is asked for.
func (k *adopting) repository(at string, rs *adopt.Config) (*rdiff.Repository, error) {
	if k.style != "" && k.style != rdiffStyle || rs != nil {
		return nil, nil
	}
	dir, err := k.app.open(at)
	if err != nil {
		return nil, err
	}
	repo, err := rdiff.Open(dir, rdiff.Options{Users: userID, Groups: groupID})
	if errors.Is(err, rdiff.ErrNoRepository) && k.style == "" {
		return nil, nil
	}
	return repo, err
}

// withTarget opens the store, makes it where that was asked for, and calls f.
func (k *adopting) withTarget(ctx context.Context, f func(*location.Place) error) error {
	spec, err := k.app.storeSpec()
	if err != nil {
		return err
	}
	b := &backup{app: k.app, init: k.init, dayNames: k.dayNames}
	place, err := b.place(ctx, spec)
	if err != nil {
		return err
	}
	k.app.warnOpen(place)
	return errors.Join(ofStore(place.Path, f(place)), place.Close())
}

// hostName returns the name of the host that snapshots get where nothing says another.
func (k *adopting) hostName() (string, error) {
	if k.host != "" {
		return k.host, nil
	}
	host, err := k.app.host()
	if err != nil || host == "" {
		return "", errors.Join(usagef("the name of this host is not known: give --host NAME"), err)
	}
	return escape(host), nil
}
