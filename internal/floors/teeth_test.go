package floors

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const testModule = "module varve\n\ngo 1.26\n\nrequire (\n\texample.org/ext v1.2.0 // indirect\n\texample.org/ext/sub v0.1.0\n)\n"

// faultsIn returns every fault in a module of the given files.
func faultsIn(t *testing.T, files map[string]string) []string {
	t.Helper()
	fsys := fstest.MapFS{"go.mod": {Data: []byte(testModule)}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	h, err := readHouse(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(importFaults(h), moduleFaults(h), ruleFaults(h))
}

func TestAHouseInOrderHasNoFaults(t *testing.T) {
	faults := faultsIn(t, map[string]string{
		"doc.go":                        "package varve\nimport \"io\"\nvar _ io.Reader\n",
		"internal/disk/disk.go":         "package disk\nimport \"varve\"\n",
		"internal/disk/osfs/osfs.go":    "package osfs\nimport (\n\"varve/internal/disk\"\n\"example.org/ext/unix\"\n)\n",
		"internal/disk/osfs/os_test.go": "package osfs\nimport (\n_ \"varve/internal/tree\"\n_ \"example.org/ext/sub\"\n)\n",
		"internal/tree/tree.go":         "package tree\nimport (\n\"varve/internal/disk/osfs\"\n\"example.org/ext/sub/deep\"\n)\ntype t struct{}\nfunc (t) init() {}\n",
		"internal/tree/testdata/x.go":   "this is not Go\n",
		"bench/main.go":                 "package main\nimport \"fmt\"\n",
		"cmd/varve/main.go":             "package main\nimport \"varve/internal/tree\"\n",
	})
	if len(faults) != 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}

func TestEveryBreachIsFound(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  string
	}{
		"a neighbour": {
			map[string]string{"internal/walk/w.go": "package walk\nimport \"varve/internal/tree\"\n"},
			"internal/walk/w.go: floor 3 imports varve/internal/tree on floor 3",
		},
		"a higher floor": {
			map[string]string{"internal/disk/d.go": "package disk\nimport \"varve/internal/disk/osfs\"\n"},
			"floor 1 imports varve/internal/disk/osfs on floor 2",
		},
		"a file for another system": {
			map[string]string{"internal/disk/d_plan9.go": "package disk\nimport \"varve/internal/walk\"\n"},
			"internal/disk/d_plan9.go: floor 1 imports",
		},
		"the vocabulary with a library": {
			map[string]string{"doc.go": "package varve\nimport \"example.org/ext\"\n"},
			"doc.go: imports example.org/ext, but the package has the standard library",
		},
		"the vocabulary with a floor": {
			map[string]string{"doc.go": "package varve\nimport \"varve/internal/disk\"\n"},
			"doc.go: imports varve/internal/disk, but the package has the standard library",
		},
		"a pure package with a library": {
			map[string]string{"internal/match/m.go": "package match\nimport \"example.org/ext\"\n"},
			"internal/match/m.go: imports example.org/ext",
		},
		"a package without a floor": {
			map[string]string{"internal/cellar/c.go": "package cellar\n"},
			"package internal/cellar: decide which floor it belongs to",
		},
		"a package without a floor outside of internal": {
			map[string]string{"tools/t.go": "package main\n"},
			"package tools: decide which floor it belongs to",
		},
		"bench with the house": {
			map[string]string{"bench/b.go": "package main\nimport \"varve\"\n"},
			"bench/b.go: imports varve, but the package stands beside the house",
		},
		"bench with a library": {
			map[string]string{"bench/b.go": "package main\nimport \"example.org/ext\"\n"},
			"bench/b.go: imports example.org/ext, but the package stands beside the house",
		},
		"the house with bench": {
			map[string]string{"cmd/varve/m.go": "package main\nimport \"varve/bench\"\n"},
			"imports varve/bench, which stands beside the house",
		},
		"a module with two users": {
			map[string]string{
				"internal/disk/osfs/o.go": "package osfs\nimport \"example.org/ext/unix\"\n",
				"internal/walk/w.go":      "package walk\nimport \"example.org/ext\"\n",
			},
			"module example.org/ext is imported by internal/disk/osfs, internal/walk",
		},
		"a module that go.mod does not list": {
			map[string]string{
				"internal/disk/osfs/o.go": "package osfs\nimport \"example.net/x\"\n",
				"internal/walk/w.go":      "package walk\nimport \"example.net/x\"\n",
			},
			"module example.net/x is imported by",
		},
		"a long vocabulary": {
			map[string]string{"doc.go": "package varve\n" + strings.Repeat("\n", vocabularyLines)},
			"the vocabulary has 561 lines; 560 are allowed",
		},
		"a junk drawer": {
			map[string]string{"internal/util/u.go": "package stuff\n"},
			"package internal/util: the name says nothing",
		},
		"a junk drawer by its package clause": {
			map[string]string{"internal/walk/w.go": "package helpers\n"},
			"internal/walk/w.go: package helpers: the name says nothing",
		},
		"work put off": {
			map[string]string{"internal/walk/w_test.go": "package walk\n\n// TO" + "DO: think\n"},
			"internal/walk/w_test.go:3: says TO" + "DO",
		},
		"init": {
			map[string]string{"internal/walk/w.go": "package walk\nfunc init() {}\n"},
			"internal/walk/w.go: has a function init",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			faults := faultsIn(t, test.files)
			if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, test.want) }) {
				t.Errorf("no fault says %q; found:\n%s", test.want, strings.Join(faults, "\n"))
			}
		})
	}
}
