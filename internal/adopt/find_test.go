package adopt_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/adopt"
	"varve/internal/disk"
	"varve/internal/disk/memfs"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lacking skips the test, or fails it where nothing may be skipped.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("VARVE_TEST_STRICT") == "1" {
		t.Fatalf("this machine lacks %s", what)
	}
	t.Skipf("this machine lacks %s", what)
}

// place makes a directory with these names: "NAME" a directory with a file in it, "NAME/" an empty one, "NAME=" a file,
// "NAME@" a symlink.
func place(t testing.TB, names ...string) disk.FS {
	t.Helper()
	root := memfs.New(memfs.Options{}).Root()
	for i, name := range names {
		switch base, end := name[:len(name)-1], name[len(name)-1]; end {
		case '=':
			w, err := root.Create(base, 0o644)
			must(t, err)
			must(t, w.Close())
		case '@':
			must(t, root.Symlink(base, "elsewhere"))
		case '/':
			must(t, root.Mkdir(base, 0o755))
		default:
			must(t, root.Mkdir(name, 0o755))
			at, err := root.OpenDir(name)
			must(t, err)
			must(t, at.Mkdir("content", 0o755))
			must(t, at.Close())
			must(t, root.Set(name, &varve.Entry{MTime: varve.Time{Sec: int64(1000 + i), Nsec: 5}}, varve.MTime))
		}
	}
	return root
}

// told is what is found, as PATH: TIME CONDITION.
func told(t *testing.T, dir disk.FS, style adopt.Style) []string {
	t.Helper()
	list, err := adopt.Find(dir, style)
	must(t, err)
	var lines []string
	for _, f := range list {
		if (f.Condition == adopt.Whole) != (f.Why == "") {
			t.Errorf("%s is %s because %q", f.Path, f.Condition, f.Why)
		}
		if f.Series != style.Series {
			t.Errorf("%s is of series %q, want %q", f.Path, f.Series, style.Series)
		}
		lines = append(lines, f.Path+": "+f.Time.Format("2006-01-02 15:04:05")+" "+f.Condition.String())
	}
	return lines
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("found\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestSeed_A4_APrefixStandsForNoLongerOne(t *testing.T) {
	dir := place(t, "web-2024-01-31", "web-staging-2024-01-30", "web-notes", "web", "web-2024-01-31-2", "web-2024-1-31",
		"xweb-2024-01-31", "web-2024-02-30", "web-2024-02-29", "web-2023-12-24", "web-2024-01-30=", "web-2024-01-29@", "web.log=")
	style := adopt.Prefixed("web")
	style.Zone = time.UTC
	want(t, told(t, dir, style), "web-2023-12-24: 2023-12-24 00:00:00 whole", "web-2024-01-31: 2024-01-31 00:00:00 whole",
		"web-2024-02-29: 2024-02-29 00:00:00 whole")
	style = adopt.Prefixed("web-staging")
	style.Zone = time.UTC
	want(t, told(t, dir, style), "web-staging-2024-01-30: 2024-01-30 00:00:00 whole")
}

func TestSeed_H5_DaysOfHactarAreLocal(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	style := adopt.Hactar("home")
	style.Zone, style.Now = zone, time.Date(2024, 3, 3, 23, 30, 0, 0, time.UTC) // the fourth there
	dir := place(t, "2024-03-01", "2024-03-03", "2024-03-04", "2024-03-05", "2024-03-02/", "latest@", "2024-03-06.tmp", "notes")
	want(t, told(t, dir, style), "2024-03-01: 2024-02-29 22:00:00 whole", "2024-03-02: 2024-03-01 22:00:00 empty",
		"2024-03-03: 2024-03-02 22:00:00 whole", "2024-03-04: 2024-03-03 22:00:00 doubtful",
		"2024-03-05: 2024-03-04 22:00:00 doubtful", "2024-03-06.tmp: 2024-03-05 22:00:00 unfinished")
}

func TestFormsOfNames(t *testing.T) {
	for form, names := range map[string]map[string]string{
		"%Y%m%d":           {"20240131": "2024-01-31 00:00:00", "2024013": "", "202401311": "", "20241301": ""},
		"%F-%H%M%S":        {"2024-01-31-235959": "2024-01-31 23:59:59", "2024-01-31-245959": ""},
		"b_%FT%T_%n":       {"b_2024-01-31T10:20:30_7": "2024-01-31 10:20:30", "b_2024-01-31T10:20:30_07": ""},
		"%s":               {"86400": "1970-01-02 00:00:00", "-5": "", "1234567890123": ""},
		"%y.%m.%d":         {"24.01.31": "2024-01-31 00:00:00"},
		"100%%-%F":         {"100%-2024-01-31": "2024-01-31 00:00:00"},
		"%*.%F":            {"a.b\n.2024-01-31": "2024-01-31 00:00:00", "2024-01-31": ""},
		"(%F)[x]+":         {"(2024-01-31)[x]+": "2024-01-31 00:00:00", "(2024-01-31)xx": ""},
		"%Y-%m-%d %H h %M": {"2024-01-31 07 h 08": "2024-01-31 07:08:00"},
		"back.%n":          {"back.0": "1970-01-01 00:16:40", "back.x": ""},
		"%*":               {"anything": "1970-01-01 00:16:40"},
	} {
		style, err := adopt.Named(form, "series")
		must(t, err)
		style.Zone = time.UTC
		for name, when := range names {
			got := told(t, place(t, name), style)
			if when == "" {
				want(t, got)
			} else {
				want(t, got, name+": "+when+" whole")
			}
		}
	}
}

func TestFormsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, form := range []string{"", ".", "..", "a/%F", "%", "%F%", "%Q", "%Y", "%Y-%m", "%m-%d", "%F-%Y", "%F %M", "%F %H%S", "%H", "%s-%F",
		"%y%F", "%n%n", "bad\xff%F"} {
		if _, err := adopt.Named(form, ""); err == nil {
			t.Errorf("%q is taken", form)
		}
	}
	if _, err := adopt.Find(place(t), adopt.Style{}); err == nil {
		t.Error("the zero style is taken")
	}
}

func TestAMarkBesideSnapshotsSpoilsTheNewest(t *testing.T) {
	style, err := adopt.Named("%F-%H%M%S", "")
	must(t, err)
	style.Zone = time.UTC
	want(t, told(t, place(t, "2024-01-31-000000", "2024-01-30-000000", "backup.inprogress="), style),
		"2024-01-30-000000: 2024-01-30 00:00:00 whole", "2024-01-31-000000: 2024-01-31 00:00:00 unfinished")
}

func TestRsnapshotsOwnDirectoriesAreToldApart(t *testing.T) {
	style := adopt.Style{Levels: []string{"hourly", "daily"}, Series: "rsnapshot", Running: true}
	dir := place(t, "daily.10", "daily.0", "hourly.1", "hourly.0", "daily.01", "weekly.0", ".sync", "_delete.123", "_delete.x", "daily.",
		"daily", "daily.0.x", "daily.-1", "daily.1=", "daily.2/", "daily.99999999999")
	got := told(t, dir, style)
	slices.Sort(got)
	for i, line := range got {
		if path, _, _ := strings.Cut(line, ":"); path == "daily.2" { // it has the time at which the test made it
			got[i] = path
		}
		if strings.HasPrefix(line, "daily.2: ") && !strings.HasSuffix(line, " empty") {
			t.Errorf("%s, want an empty one", line)
		}
	}
	want(t, got, ".sync: 1970-01-01 00:16:46 unfinished", "_delete.123: 1970-01-01 00:16:47 condemned",
		"daily.0: 1970-01-01 00:16:41 whole", "daily.10: 1970-01-01 00:16:40 whole", "daily.2",
		"hourly.0: 1970-01-01 00:16:43 doubtful", "hourly.1: 1970-01-01 00:16:42 whole")
	list, err := adopt.Find(dir, style)
	must(t, err)
	for _, f := range list {
		if f.Path == "daily.10" && (f.Level != "daily" || f.Number != 10 || f.From != adopt.FromMTime) {
			t.Errorf("%+v", f)
		}
	}
}

// brittle is a disk on which one directory cannot be opened, and another one is gone when it is looked at.
type brittle struct{ disk.FS }

func (b brittle) OpenDir(name string) (disk.FS, error) {
	if name == "2024-01-01" {
		return nil, fs.ErrPermission
	}
	return b.FS.OpenDir(name)
}

func (b brittle) Lookup(name string) (disk.Info, error) {
	switch name {
	case "2024-01-02":
		return disk.Info{}, fs.ErrNotExist
	case "2024-01-03":
		return disk.Info{}, errors.New("broken")
	}
	return b.FS.Lookup(name)
}

func TestWhatCannotBeReadIsDoubtfulAndWhatIsGoneIsNotThere(t *testing.T) {
	style := adopt.Hactar("")
	style.Zone = time.UTC
	want(t, told(t, brittle{place(t, "2024-01-01", "2024-01-02")}, style), "2024-01-01: 2024-01-01 00:00:00 doubtful")
	if _, err := adopt.Find(brittle{place(t, "2024-01-03")}, style); err == nil {
		t.Error("a disk that fails is not told")
	}
}

func TestStylesAreGuessedFromNames(t *testing.T) {
	dir := place(t, "2024-01-01", "web-2024-01-01", "web-staging-2024-01-01", "web-notes", "daily.0", "daily.1", "hourly.0", "gamma.3",
		"2024-01-01-120000", "x-2024-13-01", "100%-2024-01-01", "file-2024-01-01=")
	styles, err := adopt.Guess(dir)
	must(t, err)
	got := map[string]string{}
	for _, s := range styles {
		got[s.Names+strings.Join(s.Levels, ",")] = s.Series
		if list, err := adopt.Find(dir, s); err != nil || len(list) == 0 {
			t.Errorf("%+v finds %v, %v", s, list, err)
		}
	}
	if want := (map[string]string{"%F": "", "%F-%H%M%S": "", "web-%F": "web", "web-staging-%F": "web-staging", "100%%-%F": "100%",
		"hourly,daily": "rsnapshot"}); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
