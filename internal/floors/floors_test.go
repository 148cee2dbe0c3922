package floors

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// floorOf is the house. A package imports lower floors only.
//
// Do not change this table, or the ones below, to fix the build. An import that does not fit says that the code stands in the
// wrong room. Where the plan itself has to change, a page in docs/decisions/ says why, in the same change.
var floorOf = map[string]int{
	"": 0, // package varve, the vocabulary

	"internal/ahead":     1,
	"internal/mux":       1,
	"internal/sftp":      1,
	"internal/ssh":       1,
	"internal/disk":      1,
	"internal/digest":    1,
	"internal/match":     1,
	"internal/compare":   1,
	"internal/retention": 1,
	"internal/schedule":  1,
	"internal/hook":      1,
	"internal/selector":  1,
	"internal/part":      1,
	"internal/parallel":  1,
	"internal/chunk":     1,
	"internal/seal":      1,
	"internal/table":     1,
	"internal/backend":   1,

	"internal/disk/osfs":     2,
	"internal/disk/memfs":    2,
	"internal/disk/faultfs":  2,
	"internal/disk/disktest": 2,
	"internal/disk/sftpfs":   2,
	"internal/disk/farfs":    2,
	"internal/sshtest":       2,
	"internal/manifest":      2,
	"internal/place":         2,

	"internal/backend/files":       2,
	"internal/backend/mem":         2,
	"internal/backend/faulty":      2,
	"internal/backend/retry":       2,
	"internal/backend/limit":       2,
	"internal/backend/cache":       2,
	"internal/backend/backendtest": 2,
	"internal/pack":                2,
	"internal/index":               2,
	"internal/gc":                  2,

	"internal/walk":      3,
	"internal/restore":   3,
	"internal/tree":      3,
	"internal/vault":     3,
	"internal/remote":    3,
	"internal/rsync":     3,
	"internal/rdiff":     3,
	"internal/adopt":     3,
	"internal/freeze":    3,
	"internal/storetest": 3,

	"internal/location":  4,
	"internal/replicate": 4,
	"internal/config":    4,
	"internal/history":   4,
	"internal/notice":    4,
	"internal/units":     4,

	"internal/doctor": 5,
	"internal/job":    5,

	"internal/daemon": 6,

	"cmd/varve": 7,
}

// pure are the packages that import the standard library and the vocabulary alone.
var pure = []string{"", "internal/match", "internal/schedule", "internal/compare", "internal/retention", "internal/selector", "internal/part"}

// beside are the packages that stand next to the house: they import the standard library alone, and nothing imports them.
var beside = []string{"bench", "internal/floors", "internal/e2e"}

// vocabularyLines is how long the root package may become, in lines of all its files without tests.
const vocabularyLines = 560

// junkDrawers are the package names that say nothing.
var junkDrawers = []string{"util", "utils", "common", "helpers", "helper", "base", "manager"}

func TestPackagesImportLowerFloorsOnly(t *testing.T) {
	report(t, importFaults(load(t)))
}

func TestEachThirdPartyModuleIsImportedByOnePackage(t *testing.T) {
	report(t, moduleFaults(load(t)))
}

func TestTheHouseRulesHold(t *testing.T) {
	report(t, ruleFaults(load(t)))
}

func load(t *testing.T) *house {
	t.Helper()
	h, err := readHouse(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.packages[""]) == 0 {
		t.Fatal("the vocabulary package was not found: the test looked in the wrong place")
	}
	return h
}

// root is the directory of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, statErr := os.Stat(filepath.Join(dir, "go.mod")); statErr == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.mod above the test: %v", err)
	return ""
}

func report(t *testing.T, faults []string) {
	t.Helper()
	if len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"))
	}
}
