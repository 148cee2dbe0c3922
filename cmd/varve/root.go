package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// rootCommand returns the command line, with everything below it.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "varve",
		Short: "Keep snapshots of files",
		Long: `varve keeps snapshots of files in stores of two kinds. A tree is plain directories, one for each backup, in which unchanged files are hard
links: each snapshot looks like a full copy and costs what changed. A vault is encrypted, deduplicated and compressed. Both know the
digest of every file, so that varve can verify them.

SNAPSHOT is latest, latest~2, 3B (the third newest), the beginning of an ID, a date or time such as 2026-11-20 or 2026-11-20T10:20, or
an age such as 10D or 1h30m: the newest snapshot at or before that time. SNAPSHOT:PATH is a part of it.`,
		Example: `  varve backup --init -s /mnt/backup/store /home
  varve backup -s /mnt/backup/store admin@web:/etc
  varve restore -s /mnt/backup/store latest:/home/u/notes -t /tmp/notes`,
		Args:              unknownCommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Version:           programVersion(),
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE:              func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.quiet && a.verbose > 0 {
				return usagef("--quiet and --verbose exclude one another")
			}
			if a.noCache && a.cacheDir != "" {
				return usagef("--no-cache and --cache-dir exclude one another")
			}
			return a.reach.check(a)
		},
	}
	root.SetVersionTemplate("varve {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.StringVarP(&a.store, "store", "s", "", "the `STORE` that keeps the snapshots: a directory, or HOST:DIR over SFTP (default $VARVE_STORE)")
	a.secrets = a.newSecrets("")
	a.secrets.add(root)
	flags.StringVar(&a.cacheDir, "cache-dir", "", "keep what is known of vaults in this `DIR` (default $VARVE_CACHE_DIR, or ~/.cache/varve)")
	flags.BoolVar(&a.noCache, "no-cache", false, "keep nothing that can be had again")
	a.reach.add(root)
	flags.String(configFlag, "", "read the jobs from this `FILE` (default /etc/varve/varve.toml for root, ~/.config/varve/varve.toml for others)")
	flags.BoolVar(&a.json, "json", false, "print JSON, for programs")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print no progress, no summary, and not what is deleted")
	flags.CountVarP(&a.verbose, "verbose", "v", "print more: a summary, and everything that was noticed")
	root.SetHelpCommand(helpCommand())
	for _, command := range a.commands() {
		command.Flags().SortFlags = false
		root.AddCommand(command)
	}
	return root
}

// commands returns all commands.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.initCommand(), a.backupCommand(), a.snapshotsCommand(), a.lsCommand(), a.findCommand(), a.diffCommand(), a.catCommand(),
		a.restoreCommand(), a.verifyCommand(), a.forgetCommand(), a.unforgetCommand(), a.pruneCommand(), a.copyCommand(), a.adoptCommand(), a.keyCommand(),
		a.runCommand(), a.scheduleCommand(), a.daemonCommand(), a.statusCommand(), a.drillCommand(), a.configCommand(), a.statsCommand(),
		a.doctorCommand(), a.serveCommand(), a.whyCommand(), a.versionCommand(), a.completionCommand(),
	}
}

// unknownCommand refuses arguments of varve itself: they are misspelt commands.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	if c.SuggestionsMinimumDistance <= 0 {
		c.SuggestionsMinimumDistance = 2
	}
	if similar := c.SuggestionsFor(args[0]); len(similar) > 0 {
		text += "; did you mean " + strings.Join(similar, " or ") + "?"
	}
	return usagef("%s", text)
}

// wants makes a wrong number of arguments an error of usage.
func wants(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error { return usage(check(c, args)) }
}

// helpCommand is varve help.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "help [COMMAND]",
		Short:             "Explain a command",
		Example:           "  varve help backup",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err != nil || found == nil {
				return usage(err)
			}
			if len(rest) > 0 {
				return unknownCommand(c.Root(), rest)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// value is a flag whose text parse understands.
type value[T any] struct {
	to    *T
	parse func(string) (T, error)
	kind  string // what the help calls the value
	text  string
}

// parsed returns a value for the flag that sets to.
func parsed[T any](to *T, kind string, parse func(string) (T, error)) *value[T] {
	return &value[T]{to: to, parse: parse, kind: kind}
}

// String returns the text that was given.
func (v *value[T]) String() string { return v.text }

// Set parses the text.
func (v *value[T]) Set(text string) error {
	to, err := v.parse(text)
	if err == nil {
		*v.to, v.text = to, text
	}
	return err
}

// Type returns what the help calls the value.
func (v *value[T]) Type() string { return v.kind }
