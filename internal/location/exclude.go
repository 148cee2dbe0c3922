package location

import (
	"varve/internal/freeze"
	"varve/internal/match"
	"varve/internal/remote"
	"varve/internal/walk"
)

// CommandLine is the origin of patterns that stand on a command line.
const CommandLine = "--exclude"

// IgnoreFile is the name of the files with which owners of directories leave things out.
const IgnoreFile = ".varveignore"

// Caches returns what leaves out the content of directories that are marked as caches.
func Caches() remote.Marker {
	tag := walk.CacheTag()
	return remote.Marker{Name: tag.Name, Header: tag.Header}
}

// WalkOptions returns how a walk of sources, relative to the root, leaves out what r says. An error says which pattern makes no sense.
func WalkOptions(r remote.SourceRequest, sources []string) (walk.Options, error) {
	var rules []*match.Rule
	for _, e := range r.Excludes {
		if e.Name == "" {
			rule, err := match.Parse(e.Text, CommandLine)
			if err != nil {
				return walk.Options{}, err
			}
			rules = append(rules, rule)
			continue
		}
		read, err := match.ParseExcludeFile(e.Name, []byte(e.Text))
		if err != nil {
			return walk.Options{}, err
		}
		rules = append(rules, read...)
	}
	o := walk.Options{Match: match.New(rules, sources), IgnoreFile: r.IgnoreFile, SkipName: freeze.DirName, OneFileSystem: r.OneFileSystem,
		LargerThan: r.LargerThan}
	for _, m := range r.IfPresent {
		o.IfPresent = append(o.IfPresent, walk.Marker{Name: m.Name, Header: m.Header})
	}
	return o, nil
}
