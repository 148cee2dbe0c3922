package config

import (
	"varve/internal/retention"
	"varve/internal/schedule"
)

// Config is a file that was read and checked, with defaults filled in. Stores, jobs and notices stand in the order of the file; each
// kind may be missing.
type Config struct {
	Stores  []*Store  `toml:"store"`
	Jobs    []*Job    `toml:"job"`
	Notices []*Notice `toml:"notice"`
	// Defaults have been filled into the stores and jobs already.
	Defaults Defaults `toml:"defaults"`
}

// Defaults hold for every store and job that does not say otherwise.
type Defaults struct {
	Store Store `toml:"store"`
	Job   Job   `toml:"job"`
}

// Store returns the store of this name; nil where there is none.
func (c *Config) Store(name string) *Store {
	for _, s := range c.Stores {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Job returns the job of this name; nil where there is none.
func (c *Config) Job(name string) *Job {
	for _, j := range c.Jobs {
		if j.Name == name {
			return j
		}
	}
	return nil
}

// Policy returns which snapshots of a job a store keeps: by KeepIn of the job, else by its Keep, else by that of the store. The policy is
// empty where none of them says anything: nothing is removed.
func (c *Config) Policy(j *Job, s *Store) retention.Policy {
	for _, k := range []Keep{j.KeepIn[s.Name], j.Keep, s.Keep} {
		if p := k.Policy(); !p.Empty() {
			return p
		}
	}
	return retention.Policy{}
}

// Store is a place that keeps snapshots.
type Store struct {
	// Name is what jobs call the store.
	Name string `toml:"-"`
	// Place is where the store is: an absolute path, ~/path, user@host:path, sftp://host/path or ssh://host/path.
	Place string `toml:"place" own:"true" required:"true"`
	// Kind is what is made where there is no store yet. The default is vault where a passphrase or key is named, and tree otherwise.
	Kind Kind `toml:"kind"`
	// PassphraseFile is the file whose first line opens the vault. At most one of the three ways to open it may be named.
	PassphraseFile string `toml:"passphrase-file"`
	// PassphraseCommand prints the passphrase that opens the vault.
	PassphraseCommand Words `toml:"passphrase-command"`
	// KeyFile is a key of varve, age or ssh that opens the vault.
	KeyFile string `toml:"key-file"`
	// Mounted must be a mount point, or the store is taken for absent.
	Mounted string `toml:"mounted" own:"true"`
	// Marker is a file that must exist, or the store is taken for absent.
	Marker string `toml:"marker" own:"true"`
	// Keep says which snapshots stay. Without it nothing is removed.
	Keep Keep `toml:"keep"`
	// MaxSize is the size that the store is to stay below; the oldest snapshots that may go do so earlier then. The default is no limit.
	MaxSize Size `toml:"max-size"`
	// KeepFree is the room that is to stay free where the store is, by the same means. The default is no limit.
	KeepFree Room `toml:"keep-free"`
	// Deletions is how many snapshots one run may remove from the store. What is more than that waits for the next run. The default is 20.
	Deletions int `toml:"deletions" min:"1" max:"100000"`
	// Undo is how long a vault can bring back what was removed. The default is 7d.
	Undo Span `toml:"undo"`
	// Verify says how often the store is checked.
	Verify Verify `toml:"verify"`
	// Prune says how often a vault frees the space of what was removed.
	Prune Prune `toml:"prune"`
	// Drill says how often a restore is rehearsed.
	Drill Drill `toml:"drill"`
	// DayNames names snapshots in a tree by the day, as in 2026-11-20. The default is false.
	DayNames bool `toml:"day-names"`
	// SSH is the command that reaches the machine of the store: a line or a list of words. The default is ssh.
	SSH Line `toml:"ssh"`
	// Connections is how many sessions with an SFTP server there are at once. The default is 4.
	Connections int `toml:"connections" min:"1" max:"64"`
}

// Verify says how often a store is checked, and how much of it.
type Verify struct {
	// Every is how much time passes between two checks, or never. The default is 1w.
	Every Every `toml:"every"`
	// Subset is the share of a vault's content that is read each time, what was not read for the longest time first. The default is 10%.
	Subset Percent `toml:"subset"`
}

// Prune says how often a vault frees space.
type Prune struct {
	// Every is how much time passes between two times, or never. The default is 1w.
	Every Every `toml:"every"`
	// MaxUnused is the share of the vault that may stay unused. The default is 5%.
	MaxUnused Percent `toml:"max-unused"`
	// MaxRepack is how much may be copied to free the rest. The default is no limit.
	MaxRepack Size `toml:"max-repack"`
}

// Drill says how often a restore is rehearsed.
type Drill struct {
	// Every is how much time passes between two drills, or never. The default is never.
	Every Every `toml:"every"`
	// Files is how many files are restored besides the newest, the oldest and the largest. The default is 20.
	Files int `toml:"files" min:"1" max:"1000000"`
}

// Job says what is backed up, and where to.
type Job struct {
	// Name is what the job is called.
	Name string `toml:"-"`
	// Sources are absolute paths, ~/paths, or places on another machine such as user@host:/path.
	Sources []string `toml:"sources" own:"true"`
	// Commands are programs whose output is saved as a file. When one fails there is no snapshot.
	Commands []Command `toml:"command" own:"true"`
	// Stores are the names of stores. The first gets a backup, the others a copy of it.
	Stores []string `toml:"stores" required:"true"`
	// Series is what the snapshots belong to. The default is the host and the name of the job, as in HOST:JOB.
	Series string `toml:"series" own:"true"`
	// Host is taken for the name of the host. The default is that of the machine that the sources are on.
	Host string `toml:"host"`
	// Tags are given to the snapshots.
	Tags []string `toml:"tags"`
	// Exclude are patterns of what is left out, as in a .gitignore file. They come after those of ExcludeFrom; the last that matches decides.
	Exclude []string `toml:"exclude"`
	// ExcludeFrom are files of patterns.
	ExcludeFrom []string `toml:"exclude-from"`
	// ExcludeIfPresent are names of files, as NAME or NAME:HEADER; the content of directories that hold one is left out.
	ExcludeIfPresent []string `toml:"exclude-if-present"`
	// ExcludeCaches leaves out the content of directories with a CACHEDIR.TAG. The default is true.
	ExcludeCaches bool `toml:"exclude-caches"`
	// ExcludeLargerThan leaves out files of more bytes. The default is no limit.
	ExcludeLargerThan Size `toml:"exclude-larger-than"`
	// OneFileSystem stays on the file systems of the sources. The default is false.
	OneFileSystem bool `toml:"one-file-system"`
	// Snapshot is the kind of file-system snapshot that local sources are read from. The default is none.
	Snapshot Freeze `toml:"snapshot"`
	// SSH is the command that reaches the machine of the sources: a line or a list of words. The default is ssh.
	SSH Line `toml:"ssh"`
	// Schedule is when the job is due, such as daily 02:00. The default is never: by hand only.
	Schedule schedule.Schedule `toml:"schedule"`
	// Overdue is how much later than due a success may come before that is an alarm. The default is 1d.
	Overdue Span `toml:"overdue"`
	// Retries is how often a run that failed is tried again. The default is 3.
	Retries int `toml:"retries" min:"0" max:"100"`
	// WaitNetwork is how long to wait for a machine that cannot be reached yet. The default is 5m; 0s does not wait.
	WaitNetwork Span `toml:"wait-network"`
	// Guard says what must hold before and after a run.
	Guard Guard `toml:"guard"`
	// Hook names commands that are run around the job.
	Hook Hook `toml:"hook"`
	// Keep says which snapshots of the job stay, instead of what its stores say.
	Keep Keep `toml:"keep" own:"true"`
	// KeepIn says it for one of the stores, which its keys name.
	KeepIn map[string]Keep `toml:"keep-in" own:"true"`
}

// Guard says what must hold before and after a run.
type Guard struct {
	// Mounted are directories that must be mount points, or the job is not run.
	Mounted []string `toml:"mounted"`
	// Marker are files that must exist, or the job is not run.
	Marker []string `toml:"marker"`
	// MinFiles is how many files a snapshot has at least; one with less is suspect. The default is 1.
	MinFiles int `toml:"min-files" min:"0" max:"1000000000000"`
	// MaxLost is the share of the files of the last good snapshot, or of those of one source, that may be missing; where more are, the new
	// one is suspect. The default is 50%; 100% turns it off.
	MaxLost Percent `toml:"max-lost"`
	// MaxChanged is the share of the files of the last good snapshot whose content may differ. The default is 80%; 100% turns it off.
	MaxChanged Percent `toml:"max-changed"`
	// MinFree is the room that must be free where a store is, or it gets no snapshot. The default is none.
	MinFree Room `toml:"min-free"`
}

// Hook names commands that are run around a job. Each is a line for the shell, a list of words, or a table with run, on, user and timeout.
type Hook struct {
	// Before is run first; when it fails the job does.
	Before Call `toml:"before"`
	// After is run when the job succeeded.
	After Call `toml:"after"`
	// Failed is run when the job failed.
	Failed Call `toml:"failed"`
	// Finally is run last, in every case.
	Finally Call `toml:"finally"`
}
